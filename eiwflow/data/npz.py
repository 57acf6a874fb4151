"""Image data from an untrusted NumPy ``.npz`` archive.

Headers are read first, a few kilobytes each; memory is taken only for arrays whose stated shape, dtype and
size are within bounds and agree with the archive's own directory. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import files
from .images import MIN_SIDE, DataError, Factor, ImageData, check_images, errors_as_data_errors
from .labels import LABEL, has_letters, is_label
from .split import shared, tenth_by_hash, without_parts

#: Most arrays of an archive; they are counted in its last bytes, where its directory is.
MAX_ARRAYS, DIRECTORY_BYTES = 100, 2**18
#: Most source names that are read, and bytes of arrays beside the images.
MAX_NAMES, MAX_BESIDE = 1_000_000, 2**27
#: Names that say that an array is of images, in small letters.
OF_IMAGES = ("data", "image", "images", "x")
#: Arrays of the photographs that images are from.
SOURCES = ("train_source", "test_source", "source_names")
HEADER_BYTES = 16_384
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
#: Pictures compress a few times, one-coloured pictures some dozens: a large array that exceeds this is a bomb.
MAX_EXPANSION, MAX_SMALL_BYTES = 100, 64 * 1024**2
# The methods that numpy writes. With other methods, a header of a few bytes can demand gigabytes of memory.
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Member(NamedTuple):
    """One array of an archive as its header describes it."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    header_bytes: int
    #: Compressed size of the array; at most that of the archive, whatever its directory states.
    packed_bytes: int

    @property
    def data_bytes(self) -> int:
        """Bytes of the array's values."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def is_whole(self) -> bool:
        """Whether the archive holds exactly the bytes that the header states."""
        return self.header_bytes + self.data_bytes == self.info.file_size

    @property
    def is_bomb(self) -> bool:
        """Whether the array would unpack to far more memory than images of so few bytes do."""
        return self.data_bytes > max(MAX_SMALL_BYTES, MAX_EXPANSION * self.packed_bytes)

    @property
    def is_image_like(self) -> bool:
        """Whether type and number of axes are those of images."""
        return self.dtype == np.uint8 and len(self.shape) in (3, 4)

    @property
    def colours(self) -> int:
        """Channels, 1 or 3, of an array of numbers in the shape N×H×W, N×H×W×C or N×C×H×W; 0 of other arrays."""
        sides = list(self.shape[1:])
        if self.dtype.kind not in "iuf" or len(sides) not in (2, 3):
            return 0
        channels = 1 if len(sides) == 2 else sides.pop(2 if sides[2] in (1, 3) else 0)
        return channels if channels in (1, 3) and min(sides) >= MIN_SIDE else 0


def read_npz(archive: Path | bytes, name: str = "", most: int | None = None) -> ImageData:
    """Return the images of an archive that holds ``train`` and ``test``, or exactly one uint8 array of images.

    ``archive`` is a file's path, or its bytes with a ``name``; its images may take ``most`` bytes of memory, by default
    all that is free.

    Images are uint8, (N, H, W) or (N, H, W, C) with C = 1 or 3. A single array is split by a hash of each image's
    bytes, about a tenth to test, which the note counts. Where an array of another type may be the images, the single
    array must be called ``images``, ``image``, ``data`` or ``x``; the note counts arrays left out. ``train_source`` and
    ``test_source`` are numbers of photographs, ``source_names`` their names; without names, the numbers are the names.
    ``labels`` of a single array, or ``train_labels`` and ``test_labels``, become the factor ``label``: whole numbers or
    names. The note says where these do not fit. Other arrays are ignored. Raises DataError where the archive cannot be
    used. The archive's own parts may share images: the note says how many.
    """
    name = name or (archive.name if isinstance(archive, Path) else "the archive")
    with errors_as_data_errors(f"{name!r} cannot be read as an .npz archive"):
        check_directory(archive, name)
        with zipfile.ZipFile(archive if isinstance(archive, Path) else io.BytesIO(archive)) as opened:
            return _read(opened, name, most)


def _read(archive: zipfile.ZipFile, file_name: str, most: int | None) -> ImageData:
    members, of_others = members_of(archive, file_name), ""
    if "train" in members and "test" in members:
        parts = {name: members[name] for name in ("train", "test")}
    else:
        parts = {name: member for name, member in members.items() if member.is_image_like}
        if len(parts) != 1:
            raise DataError(
                f"{file_name!r} has neither 'train' and 'test' nor exactly one uint8 array of images; "
                f"it holds {_listing(members)}"
            )
        of_others = _other_images(members, next(iter(parts)), file_name)
    for name, member in parts.items():
        _check(f"array {name[:40]!r} of {file_name!r}", member)
    if len({member.shape[1:] for member in parts.values()}) > 1:
        shapes = " and ".join(str(member.shape) for member in parts.values())
        raise DataError(f"'train' and 'test' of {file_name!r} have shapes {shapes}; images must have one shape")
    total = sum(member.shape[0] for member in parts.values())
    check_images(f"{file_name!r}", total, *_image_shape(next(iter(parts.values()))))
    if most is not None and (size := sum(member.data_bytes for member in parts.values())) > most:
        raise DataError(f"the images of {file_name!r} need {size:,} bytes of memory; at most {most:,} are taken here")

    arrays = [_array(archive, member).reshape(-1, *_image_shape(member)) for member in parts.values()]
    if len(arrays) == 2:
        train, test = arrays
        factors, remark = _labels(archive, members, {"train_labels": len(train), "test_labels": len(test)})
        sources, of_sources = _sources(archive, members, (len(train), len(test)))
        note = "; ".join(filter(None, (shared(train, test), remark, of_sources)))
        return ImageData(file_name, train, test, *sources, note=note, factors=factors, no_labels=remark)
    (images,) = arrays
    in_test = tenth_by_hash(image.tobytes() for image in images)
    factors, remark = _labels(archive, members, {"labels": len(images)}, in_test)
    train, test = images[~in_test], images[in_test]
    stray = ", ".join(name for name in SOURCES if name in members)
    of_sources = f"{stray} left out: photographs are read beside train and test alone" if stray else ""
    tenth = without_parts(len(test), len(images), "images")
    note = "; ".join(filter(None, (tenth, remark, of_sources, of_others)))
    return ImageData(file_name, train, test, note=note, factors=factors, no_labels=remark)


def _other_images(members: dict[str, Member], chosen: str, file_name: str) -> str:
    """Return a remark on arrays in the shape of images beside the only uint8 array, as depth maps; empty without any.

    Raises:
        DataError: the images may be one of them, and the chosen array a mask or a part: the chosen array is not called
            images, and one of them is, or has as many channels.

    """
    image = members[chosen]
    others = {name: member for name, member in members.items() if member.colours and member.dtype != np.uint8}
    rivals = {
        name: member for name, member in others.items() if member.colours >= image.colours or name.lower() in OF_IMAGES
    }
    if rivals and chosen.lower() not in OF_IMAGES:
        raise DataError(
            f"{file_name!r} holds several arrays in the shape of images, {_listing({chosen: image, **rivals})}; "
            "only uint8 is read, so give 'train' and 'test', or 'images', as uint8"
        )
    count = f"{len(others)} array{'s' * (len(others) > 1)}"
    return f"{count} in the shape of images left out: only uint8 is read" if others else ""


def _labels(
    archive: zipfile.ZipFile, members: dict[str, Member], counts: dict[str, int], in_test: np.ndarray | None = None
) -> tuple[dict[str, Factor], str]:
    """Return the factor ``label``, and a remark where arrays do not fit; both empty without such arrays."""
    there = ", ".join(name for name in ("labels", "train_labels", "test_labels") if name in members)
    chosen = {name: members[name] for name in counts if name in members}
    for name, count in counts.items():
        member = chosen.get(name)
        if member is None or member.shape != (count,) or not is_label(member.dtype) or not member.is_whole:
            needed = f"{there} left out: one {LABEL} an image is needed in {' and '.join(counts)}"
            return {}, needed if there else ""
    if sum(member.data_bytes for member in chosen.values()) > MAX_BESIDE:
        return {}, f"{', '.join(chosen)} left out: they take more than {MAX_BESIDE:,} bytes"
    labels = [_array(archive, member) for member in chosen.values()]
    if not all(map(has_letters, labels)):
        return {}, f"{', '.join(chosen)} left out: a name has a letter that does not exist"
    return {"label": Factor(labels[0][~in_test], labels[0][in_test]) if in_test is not None else Factor(*labels)}, ""


def npy_header(start: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Return shape, whether in Fortran order, type and bytes of the header of an array in numpy's format.

    Args:
        start: its first :data:`HEADER_BYTES`. A header may claim 4 GiB for itself; what lies beyond is never read.

    Raises:
        ValueError: it is in another version of the format, or in another format.

    """
    file = io.BytesIO(start)
    try:
        read = HEADER_READERS[np.lib.format.read_magic(file)]
    except KeyError:
        raise ValueError("another version of numpy's format than 1.0 and 2.0 is not read") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that Python 2 wrote
            shape, fortran, dtype = read(file)
    except ValueError:
        raise
    except Exception:  # its parser raises a dozen kinds of errors: of tokens, indentation, memory, indices
        raise ValueError("its header is damaged") from None
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError(f"the shape {shape} is not one of an array")
    return shape, fortran, dtype, file.tell()


def check_directory(archive: Path | bytes, file_name: str) -> None:
    """Refuse an archive of too many entries, by its last bytes, before zipfile makes an object of each entry.

    Raises:
        DataError: there are more than :data:`MAX_ARRAYS`.
        OSError: the file cannot be read, or is no regular file.

    """
    end = files.read_end(archive, DIRECTORY_BYTES) if isinstance(archive, Path) else archive[-DIRECTORY_BYTES:]
    if end.count(b"PK\x01\x02") > MAX_ARRAYS:
        raise DataError(f"{file_name!r} holds more than {MAX_ARRAYS} arrays, the most that are read")


def members_of(archive: zipfile.ZipFile, file_name: str) -> dict[str, Member]:
    """Return the arrays by name; members of other formats are left out."""
    infos = archive.NameToInfo
    if len(infos) > MAX_ARRAYS:
        raise DataError(f"{file_name!r} holds {len(infos):,} arrays; at most {MAX_ARRAYS} are read")
    assert archive.fp is not None  # the archive is open
    whole = archive.fp.seek(0, io.SEEK_END)
    members = {}
    for name, info in infos.items():
        if not name.endswith(".npy") or info.compress_type not in COMPRESSIONS:
            continue
        with archive.open(info) as file:
            start = file.read(HEADER_BYTES)
        try:
            header = npy_header(start)
        except ValueError:
            continue
        members[name.removesuffix(".npy")] = Member(info, *header, min(info.compress_size, whole))
    return members


def _listing(members: dict[str, Member]) -> str:
    if not members:
        return "no readable array"
    return files.listed(
        [f"{name[:40]!r} ({member.dtype.name[:40]} {member.shape})" for name, member in members.items()]
    )


def _check(what: str, member: Member) -> None:
    if member.dtype != np.uint8:
        raise DataError(f"{what} has dtype {member.dtype.name[:40]}; uint8 is needed")
    if len(member.shape) not in (3, 4):
        raise DataError(f"{what} has shape {member.shape}; N×H×W or N×H×W×C is needed")
    check_images(what, member.shape[0], *_image_shape(member))
    check_size(what, member)


def check_size(what: str, member: Member) -> None:
    """Refuse an array that is not as long as it states, or packs better than images do.

    Raises:
        DataError: the message states the array's bytes.

    """
    if not member.is_whole:
        raise DataError(
            f"{what} states {member.data_bytes:,} bytes of images; "
            f"the archive holds {member.info.file_size - member.header_bytes:,}"
        )
    if member.is_bomb:
        raise DataError(
            f"{what} has {member.data_bytes:,} bytes packed into {member.packed_bytes:,}; beyond "
            f"{MAX_SMALL_BYTES:,} bytes at most {MAX_EXPANSION} times as many are unpacked"
        )


def _image_shape(member: Member) -> tuple[int, int, int]:
    height, width, *channels = member.shape[1:]
    return height, width, channels[0] if channels else 1


def _array(archive: zipfile.ZipFile, member: Member) -> np.ndarray:
    with archive.open(member.info) as file:
        return np.ascontiguousarray(np.lib.format.read_array(file, allow_pickle=False))


def _sources(
    archive: zipfile.ZipFile, members: dict[str, Member], counts: tuple[int, int]
) -> tuple[tuple[np.ndarray | None, np.ndarray | None, tuple[str, ...]], str]:
    """Return (train_source, test_source, source_names), and a remark where arrays do not fit; empty without any."""
    chosen = {name: members[name] for name in SOURCES if name in members}
    words = f"{', '.join(chosen)} left out:"
    for name, count in zip(SOURCES, counts, strict=False):
        member = chosen.get(name)
        if member is None or member.shape != (count,) or member.dtype.kind not in "iu" or not member.is_whole:
            remark = f"{words} train_source and test_source need one whole number an image"
            return (None, None, ()), remark if chosen else ""
    if sum(member.data_bytes for member in chosen.values()) > MAX_BESIDE:
        return (None, None, ()), f"{words} they take more than {MAX_BESIDE:,} bytes"
    train, test = (_array(archive, members[name]).astype(np.int64) for name in SOURCES[:2])
    numbers, places = np.unique(np.concatenate([train, test]), return_inverse=True)
    if (names := _source_names(archive, members)) and ((numbers >= 0) & (numbers < len(names))).all():
        return (train, test, names), ""
    remark = "source_names left out: a text of its own is needed for every photograph, from number 0"
    numbered = tuple(map(str, numbers.tolist()))
    return (places[: len(train)], places[len(train) :], numbered), remark if "source_names" in chosen else ""


def _source_names(archive: zipfile.ZipFile, members: dict[str, Member]) -> tuple[str, ...]:
    """Return ``source_names``, which may be texts or bytes; empty where there are none, or two are the same."""
    member = members.get("source_names")
    if member is None or member.dtype.kind not in "US" or len(member.shape) != 1 or not member.is_whole:
        return ()
    # Empty names take memory, though no bytes of the file.
    if member.shape[0] > MAX_NAMES or not has_letters(array := _array(archive, member)):
        return ()
    texts: list[str | bytes] = array.tolist()
    names = tuple(text if isinstance(text, str) else text.decode(errors="backslashreplace") for text in texts)
    return names if len(set(names)) == len(names) else ()
