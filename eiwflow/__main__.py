"""``python -m eiwflow``."""

from .cli import run

run()
