"""Make a data set of photographs on which nothing was chosen, for one study: 32×32 crops, whole photographs held out.

    apt-get download lomiri-wallpapers-16.04 mate-backgrounds
    for package in *.deb; do dpkg-deb -x $package pictures; done
    python benchmarks/wallpapers.py pictures wallpapers.npz
    python -m eiwflow study --data wallpapers.npz --arms ... --out wallpapers

Taken are all pictures of the first package but the one that photos32 has, and the folder ``nature`` of the second: 26.
Each is resized to a short side of 256 pixels and gives 100 crops. Every fourth picture, by name, is test as a whole.
Versions: lomiri-wallpapers-16.04 20.04.0-4 and mate-backgrounds 1.26.0-1, whose copyright files state the licences. The
pictures are not part of this project.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SIDE, SHORT, CROPS = 32, 256, 100
IN_PHOTOS32 = "seeding_by_Clements_Engelhardt.jpg"


def pictures(folder: Path) -> list[Path]:
    """Return the 26 pictures, by name."""
    found = [path for path in folder.rglob("*.jpg") if "_by_" in path.name or path.parent.name == "nature"]
    return sorted((path for path in found if path.name != IN_PHOTOS32), key=lambda path: path.name)


def crops(path: Path, rng: np.random.Generator) -> np.ndarray:
    """Return (CROPS, 32, 32, 3) crops of a picture."""
    with Image.open(path) as image:
        picture = ImageOps.exif_transpose(image).convert("RGB")
    scale = SHORT / min(picture.size)
    values = np.asarray(picture.resize([round(scale * side) for side in picture.size], Image.Resampling.LANCZOS))
    tops = rng.integers(0, values.shape[0] - SIDE + 1, CROPS)
    lefts = rng.integers(0, values.shape[1] - SIDE + 1, CROPS)
    return np.stack([values[top : top + SIDE, left : left + SIDE] for top, left in zip(tops, lefts, strict=True)])


def main() -> None:
    """Write the archive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder with the unpacked packages")
    parser.add_argument("out", type=Path, help="the .npz archive")
    args = parser.parse_args()
    paths = pictures(args.pictures)
    rng = np.random.default_rng(0)
    images = np.stack([crops(path, rng) for path in paths])
    source = np.repeat(np.arange(len(paths), dtype=np.uint8)[:, None], CROPS, axis=1)
    test = np.arange(len(paths)) % 4 == 3
    parts = {"train": ~test, "test": test}
    arrays = {name: images[chosen].reshape(-1, SIDE, SIDE, 3) for name, chosen in parts.items()}
    sources = {f"{name}_source": source[chosen].reshape(-1) for name, chosen in parts.items()}
    np.savez_compressed(args.out, **arrays, **sources, source_names=np.array([path.stem for path in paths]))
    print(f"{len(paths)} pictures, {int(test.sum())} of them test; {len(images) * CROPS:,} crops.")


if __name__ == "__main__":
    main()
