"""The tests of the package: a short form that takes minutes, and a long one, with ``EIWFLOW_LONG=1``."""

import os

LONG = os.environ.get("EIWFLOW_LONG") == "1"
