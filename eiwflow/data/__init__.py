"""Image data behind one loader: ``load`` by name or path, ``hold_out`` for tuning, crops to train on.

What cannot be used is refused with a :class:`DataError`, whose message is one sentence.
"""

from .crops import corner_crops, fits, fitted, fixed_crops, random_crops, to_tensor
from .holdout import hold_out
from .images import DataError, Factor, ImageData, chosen_places
from .labels import Labels, given_class, labels_of, only_class
from .picture import as_picture, from_picture, montage, picture_file, png_file, resized
from .registry import DATASETS, flips, load, load_test, same_data

__all__ = [
    "DATASETS",
    "DataError",
    "Factor",
    "ImageData",
    "Labels",
    "as_picture",
    "chosen_places",
    "corner_crops",
    "fits",
    "fitted",
    "fixed_crops",
    "flips",
    "from_picture",
    "given_class",
    "hold_out",
    "labels_of",
    "load",
    "load_test",
    "montage",
    "only_class",
    "picture_file",
    "png_file",
    "random_crops",
    "resized",
    "same_data",
    "to_tensor",
]
