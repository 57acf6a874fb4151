"""Settings of the server, from environment variables; ``eiwflow app`` sets them.

``eiwflow app`` calls :func:`check` before it starts the server. ``streamlit run app.py`` prints its address before it
reads app.py, which then ends it.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

#: Addresses that only this machine can reach.
OF_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
#: ``classroom``, ``read-only``, or empty: every visitor may do everything.
MODE_VARIABLE = "EIWFLOW_MODE"
CLASSROOM, READ_ONLY = "classroom", "read-only"
#: The address under which visitors reach the app.
JOIN_VARIABLE = "EIWFLOW_JOIN_URL"
#: Environment variable with the teacher's token, which then outlives the server.
TOKEN_VARIABLE = "EIWFLOW_TEACHER_TOKEN"
#: Environment variable with the origins, separated by spaces, that may show the app in a frame: a course page.
ANCESTORS_VARIABLE = "EIWFLOW_FRAME_ANCESTORS"
#: Environment variable with the folders whose images visitors may train on, separated as in PATH.
DATA_ROOTS_VARIABLE = "EIWFLOW_DATA_ROOTS"
#: Environment variable with the MiB of all visitors' uploads together.
UPLOADS_VARIABLE = "EIWFLOW_UPLOADS_MIB"
#: Fewest characters of a token: attempts are limited by the network alone.
SHORTEST_TOKEN = 16
_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:\d{1,5})?|\*", re.ASCII)
_URL = re.compile(r"https?://([\w.-]+|\[[\da-f:]+\])(:\d{1,5})?(/[^\s?#\"'<>]*)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """The settings of a server.

    Attributes:
        mode: ``classroom``, ``read-only``, or empty.
        join_url: where visitors reach the app, without a slash at its end; empty if not set.
        uploads_mib: memory of the files of all visitors together, in every mode.

    """

    mode: str = ""
    join_url: str = ""
    uploads_mib: int = 1024

    @property
    def classroom(self) -> bool:
        """Whether a class joins."""
        return self.mode == CLASSROOM


def settings() -> Settings:
    """Return the settings in the environment."""
    mode = os.environ.get(MODE_VARIABLE, "")
    if mode not in ("", CLASSROOM, READ_ONLY):
        raise ValueError(f"{MODE_VARIABLE} is {mode[:40]!r}; choose {CLASSROOM}, {READ_ONLY} or leave it out.")
    url = os.environ.get(JOIN_VARIABLE, "").rstrip("/")
    if url and not _URL.fullmatch(url):
        raise ValueError(f"{JOIN_VARIABLE} is {url[:80]!r}; it must be an address such as http://192.168.1.20:8501.")
    uploads = os.environ.get(UPLOADS_VARIABLE) or str(Settings.uploads_mib)
    if not (uploads.isdecimal() and 1 <= int(uploads[:9]) <= 1_000_000):
        raise ValueError(f"{UPLOADS_VARIABLE} is {uploads[:40]!r}; choose a whole number from 1 to 1,000,000.")
    return Settings(mode, url, int(uploads))


def check(address: str | None = None) -> None:
    """Check every setting.

    Args:
        address: for the server to listen on; None if it listens already.

    """
    if settings().classroom:
        _check_token(os.environ.get(TOKEN_VARIABLE, "").strip() or None)
    ancestors()
    for root in data_roots() or []:
        if not os.path.isdir(root):
            raise ValueError(f"{DATA_ROOTS_VARIABLE} names {str(root)[:200]!r}, which is no folder; leave it out.")
    if address:
        _check_address(address)


def ancestors() -> list[str]:
    """Return the origins, beside the app's own, that may show it in a frame."""
    origins = os.environ.get(ANCESTORS_VARIABLE, "").split()
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{ANCESTORS_VARIABLE} holds {origin[:80]!r}; it must be origins such as https://course.example, "
                "separated by spaces."
            )
    return origins


def data_roots() -> list[Path] | None:
    """Return the folders whose images visitors may train on; None if not set."""
    if (named := os.environ.get(DATA_ROOTS_VARIABLE)) is None:
        return None
    return [Path(os.path.expanduser(root)).resolve() for root in named.split(os.pathsep) if root]


def _check_address(address: str) -> None:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as line:
            line.bind(place)
    except (OSError, UnicodeError):
        raise ValueError(
            f"The address is {address[:80]!r}, which this machine does not have; choose 127.0.0.1 for this machine "
            "alone, or 0.0.0.0 for all its networks."
        ) from None


@lru_cache(maxsize=1)
def teacher_token() -> str:
    """Return the secret that makes a browser the teacher's; a new one for every server unless one is set."""
    # Removed, so that child processes do not inherit it.
    token = os.environ.pop(TOKEN_VARIABLE, "").strip() or secrets.token_urlsafe(24)
    _check_token(token)
    return token


def _check_token(token: str | None) -> None:
    if token is not None and (len(token) < SHORTEST_TOKEN or not re.fullmatch(r"[\w.~-]+", token, re.ASCII)):
        raise ValueError(
            f"{TOKEN_VARIABLE} must have at least {SHORTEST_TOKEN} letters, digits, dots, dashes or underscores."
        )
