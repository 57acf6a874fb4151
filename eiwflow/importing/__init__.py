"""Open the Glow checkpoints of other code: convert a state dict into a flow that every page and command opens.

A file that is none of these is refused with a :class:`GlowError`.
"""

from .convert import MAX_SOURCE_BYTES, import_flow
from .formats import KINDS, SCALE_MAP_WORDS, GlowError, Options

__all__ = ["KINDS", "MAX_SOURCE_BYTES", "SCALE_MAP_WORDS", "GlowError", "Options", "import_flow"]
