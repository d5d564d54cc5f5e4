#!/usr/bin/env bash
# The long runs, once a night: Monte Carlo coverage, soak, reproduction, and the wheel built and
# installed without a compiler (tests/test_wheels.py; needs gcc and a package index).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-.venv/bin/python}" -m pytest -m slow --durations=20 "$@"
