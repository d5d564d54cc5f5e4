"""Results to figures, tables and one offline HTML page; nothing here computes a quantity.

``quantities`` holds the words (what each number is, when it misleads), ``cells`` and ``table``
the numbers as text, ``figures`` the figures for a paper, ``charts`` and ``report`` the page,
``methods`` the paragraph and the references, ``run_folder`` all of them in one folder.
"""
