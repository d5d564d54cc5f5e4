#!/usr/bin/env bash
# The long runs (Monte Carlo coverage, soak, reproduction), once a night.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-.venv/bin/python}" -m pytest -m slow --durations=20 "$@"
