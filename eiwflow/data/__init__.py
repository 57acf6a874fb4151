"""Image data behind one loader: ``load`` by name or path, ``hold_out`` for tuning, crops to train on.

What cannot be used is refused with a :class:`DataError`, whose message is one sentence.
"""

from .crops import corner_crops, fits, fitted, fixed_crops, random_crops, to_tensor
from .holdout import hold_out
from .images import DataError, Factor, ImageData, chosen_places
from .labels import Labels, given_class, labels_of, only_class
from .picture import as_picture, from_picture, montage, picture_file, png_file, resized
from .registry import DATASETS, flips, load, load_test, same_data
