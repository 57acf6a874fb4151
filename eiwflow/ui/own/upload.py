"""Files that visitors upload: each kind has its limits and its parser, and is kept, refused and named in one way."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import DeletedFile

from ...checkpoint import CheckpointError
from ...data import DataError
from ..common.shelves import Shelf, visitor
from ..common.untrusted import plain
from ..sources import store

Kept = TypeVar("Kept")
#: Of a key: two files of one key of twelve letters were made in a minute, and one visitor saw the other's.
KEY_LETTERS = 32
#: Uploaded files: name -> content.
Files = Mapping[str, bytes]


@dataclass(eq=False)
class Upload(Generic[Kept]):
    """One kind of upload.

    Attributes:
        name: of the kind.
        suffixes: of the files that the uploader offers to take.
        megabytes: of a file at most, unless the server takes fewer.
        most: uploads that the server keeps for a session; older ones go first.
        parse: returns the value to keep, from a key and files, or raises a DataError or CheckpointError.
        size: returns the bytes that a value takes.
        discard: called with a value that no session holds any more.
        several: whether one upload has several files.
        prefix: begins every key.
        shelf: the values that the server keeps, by key.

    """

    name: str
    suffixes: tuple[str, ...]
    megabytes: int
    most: int
    parse: Callable[[str, Files], Kept]
    size: Callable[[Kept], int]
    discard: Callable[[Kept], object] = lambda _: None
    several: bool = False
    prefix: str = ""
    shelf: Shelf[Kept] = field(init=False)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.most, self.size, self.discard)

    def keep(self, files: Files) -> str:
        """Keep files for this session; return their key, a hash of their names and content."""
        files = dict(sorted(files.items()))  # as the command line reads a folder
        digest = hashlib.sha256()
        for name, content in files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        key = self.prefix + digest.hexdigest()[:KEY_LETTERS]
        if self.shelf.hold(key, visitor()) is None:
            read = store.get("upload", (self.prefix, key), lambda: self.parse(key, files), "Reading the upload …")
            self.shelf.keep(key, read, visitor())
        return key

    def gone(self, key: str) -> str:
        """Say that an upload is gone."""
        return f"The server no longer has the {self.name} “{plain(key, 60)}”. Upload again."

    def kept(self, key: str | None) -> Kept | None:
        """Return the value of a key, and keep it while this session uses it; None if it is gone."""
        return None if key is None else self.shelf.hold(key, visitor())

    def draw(
        self, place: str, label: str = "It stays on this machine.", show: Callable[[str], object] | None = None
    ) -> None:
        """Draw an uploader, which is empty again after each upload.

        Args:
            place: of the uploader, its own on a page, and the parameter of the URL where ``show`` is not given.
            label: of the uploader.
            show: called with the key of an upload.

        """
        st.file_uploader(
            label,
            self.suffixes,
            accept_multiple_files=self.several,
            key=self._key(place),
            on_change=self._take,
            args=(place, show),
            max_upload_size=min(self.megabytes, st.get_option("server.maxUploadSize")),
        )

    def say_refusal(self, place: str, above: DeltaGenerator) -> None:
        """Show, once, the sentence that refused the newest upload."""
        if error := st.session_state.pop(_refused(place), None):
            above.error(plain(error))

    def _take(self, place: str, show: Callable[[str], object] | None) -> None:
        if not (sent := st.session_state[self._key(place)]):
            return
        st.session_state[f"_uploads_at_{place}"] = self._count(place) + 1
        st.session_state.pop(_refused(place), None)
        files: dict[str, bytes] = {}
        try:
            for file in sent if self.several else [sent]:
                if isinstance(file, DeletedFile):
                    raise DataError("The server no longer has the file that this page sent; send it again")
                name = file.name
                while name in files:  # two folders may have a file of the same name
                    name = f"{name}_"
                files[name] = file.getvalue()
            key = self.keep(files)
        except (DataError, CheckpointError) as error:
            st.session_state[_refused(place)] = error
            return
        if show is None:
            st.query_params[place] = key
        else:
            show(key)

    def _count(self, place: str) -> int:
        return st.session_state.get(f"_uploads_at_{place}", 0)

    def _key(self, place: str) -> str:
        # An uploader that gets a new key holds nothing.
        return f"upload-{place}-{self._count(place)}"


def named(name: str, content: bytes) -> io.BytesIO:
    """Return a file with a name for error messages."""
    file = io.BytesIO(content)
    file.name = name[:60]
    return file


def _refused(place: str) -> str:
    return f"_refused_{place}"
