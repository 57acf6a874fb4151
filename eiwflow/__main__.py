"""``python -m eiwflow``."""

import os
import sys

from .cli import main

code = main()
if "TORCHELASTIC_RUN_ID" in os.environ:
    from .training.distributed import leave

    leave(code)
sys.exit(code)
