"""Lossless compression of pictures by a flow. ``grid`` is the code, ``archive`` the file."""


class CompressionError(ValueError):
    """Pictures cannot be compressed, or an archive cannot be read; the message is one sentence."""
