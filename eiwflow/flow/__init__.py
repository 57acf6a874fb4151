"""The model: bijections, couplings, Shuffle, Split, and the MultiScaleFlow that they make."""

from .bijection import Bijection, NotInitialisedError, ShapeError
from .config import ConfigError, FlowConfig
from .multiscale import (
    Latents,
    LevelTrace,
    MultiScaleFlow,
    NonFiniteError,
    Trace,
    dequantise,
    quantise,
    to_bits_per_dim,
)

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
