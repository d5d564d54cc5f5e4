"""How the documentation is built: python -m sphinx -W -b html docs docs/_build/html."""

import re
from importlib import metadata

project = "layergeom"
author = "The layergeom developers"
copyright = "The layergeom developers, Apache-2.0"
release = metadata.version("layergeom")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "reproductions/tables"]  # tables are included by their pages

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [
    "Assumption",
    "Cost",
    "Numerics",
    "Source",
    "Sources",
    "When it misleads",
]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types, shapes and units

html_theme = "furo"
html_title = "layergeom"
html_static_path = ["_static"]

CODE_OR_BAR = re.compile(r"(``.*?``)|\|")


def literal_bars(app, what, name, obj, options, lines):
    """Keep |x| in docstrings a norm: reStructuredText would take it for a substitution."""
    for at, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[at] = CODE_OR_BAR.sub(lambda found: found[1] or r"\|", line)


def setup(app):
    app.connect("autodoc-process-docstring", literal_bars)
