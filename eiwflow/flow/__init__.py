"""The model: bijections, couplings, Shuffle, Split, and the MultiScaleFlow that they make."""

from .bijection import Bijection, NotInitialisedError, ShapeError
from .config import ConfigError, FlowConfig
from .model import MultiScaleFlow, NonFiniteError, dequantise, quantise, to_bits_per_dim
from .trace import Latents, LevelTrace, Trace

__all__ = [
    "Bijection",
    "ConfigError",
    "FlowConfig",
    "Latents",
    "LevelTrace",
    "MultiScaleFlow",
    "NonFiniteError",
    "NotInitialisedError",
    "ShapeError",
    "Trace",
    "dequantise",
    "quantise",
    "to_bits_per_dim",
]
