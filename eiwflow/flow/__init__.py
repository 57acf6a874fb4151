"""The model: bijections, couplings, Shuffle, Split, and the MultiScaleFlow that they make."""

from .actnorm import ActNorm
from .bijection import Bijection, NotInitialisedError, ShapeError
from .channel_weights import ChannelWeights, Solver
from .config import ConfigError, FlowConfig
from .context import ContextError, one_hot
from .conv1x1 import InvertibleConvolution
from .coupling import AffineCoupling
from .distribution import FlowDistribution
from .entropy_weights import ConstantWeights, CouplingWeights, EntropyWeights, MeanWeights
from .level import Level
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
from .released import ReleasedShuffle
from .shuffle import Shuffle
from .split import Split
from .squeeze import Squeeze
from .step import Step

__all__ = [
    "ActNorm",
    "AffineCoupling",
    "Bijection",
    "ChannelWeights",
    "ConfigError",
    "ConstantWeights",
    "ContextError",
    "CouplingWeights",
    "EntropyWeights",
    "FlowConfig",
    "FlowDistribution",
    "InvertibleConvolution",
    "Latents",
    "Level",
    "LevelTrace",
    "MeanWeights",
    "MultiScaleFlow",
    "NonFiniteError",
    "NotInitialisedError",
    "ReleasedShuffle",
    "ShapeError",
    "Shuffle",
    "Solver",
    "Split",
    "Squeeze",
    "Step",
    "Trace",
    "dequantise",
    "one_hot",
    "quantise",
    "to_bits_per_dim",
]
