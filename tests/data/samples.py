"""Small images, archives and pictures to test with."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Return uint8 noise, in which no two images are alike."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_npz(folder: Path, **arrays: np.ndarray) -> Path:
    """Return the path of an archive with these arrays."""
    path = folder / "images.npz"
    np.savez(path, **arrays)
    return path


def write_shard(path: Path, members: dict[str, bytes], **options: object) -> Path:
    """Return the path of a shard with these members."""
    with tarfile.open(path, "w", **options) as shard:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    return path


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """Return the bytes of a picture file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def as_set(images: np.ndarray) -> set[bytes]:
    """Return the images' bytes, to compare parts by content."""
    return {image.tobytes() for image in images}
