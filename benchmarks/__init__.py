"""Measurements against the peers; answers are compared before a time is written.

Idle worker threads that spin would be charged as work: OpenBLAS and OpenMP read these settings
when they are loaded, so they stand here, before the first import of numpy.
"""

import os
import sys

QUIET = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_THREAD_TIMEOUT": "4"}
IN_TIME = "numpy" not in sys.modules

for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)
