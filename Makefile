# One word for each thing that is done often. PYTHON may name another interpreter.
PYTHON ?= .venv/bin/python

.PHONY: help check fast slow docs reference format demo

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

check:  ## all that the continuous integration runs
	$(PYTHON) tools/check.py

fast:  ## style and the quick tests of geometry and reading, under 20 seconds
	$(PYTHON) tools/check.py --fast

slow:  ## Monte Carlo, soak and reproduction runs
	$(PYTHON) -m pytest -m slow

docs:  ## the documentation, warnings are errors
	$(PYTHON) -m sphinx -W -b html docs docs/_build/html

reference:  ## rewrite the command line's reference from --help
	$(PYTHON) tools/cli_reference.py

format:  ## put the code in order
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

demo:  ## the small shipped model, end to end
	$(PYTHON) -m layergeom demo
