"""Where Lightning is not installed, it is said when a callback is made."""

import subprocess
import sys

SCRIPT = """
import sys
for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
    sys.modules[name] = None
from layergeom.callbacks import LightningGeometryCallback
from layergeom.errors import InputError
try:
    LightningGeometryCallback([[1, 2, 3]] * 5)
except InputError as error:
    print(error)
"""


def test_the_message_says_what_to_install():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "Lightning is not here: pip install 'layergeom[lightning]'.\n"


def test_importing_the_callbacks_imports_no_library():
    code = (
        "import sys, layergeom.callbacks; print('torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
