"""Lossless compression of pictures by a flow. ``grid`` codes images as bits; ``archive`` reads and writes the file."""


class CompressionError(ValueError):
    """Pictures cannot be compressed, or an archive cannot be read; the message is one sentence."""
