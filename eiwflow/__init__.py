"""eiwflow: see inside a multi-scale normalizing flow."""

__version__ = "0.4.0"
