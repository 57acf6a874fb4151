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
from typing import NamedTuple
from urllib.parse import urlsplit

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
#: Environment variables with the folder of runs and studies, and with that of downloaded data sets.
RUNS_VARIABLE, DATA_VARIABLE = "EIWFLOW_RUNS", "EIWFLOW_DATA"
#: Fewest characters of a token: attempts are limited by the network alone.
SHORTEST_TOKEN = 16
_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:\d{1,5})?|\*", re.ASCII)
_URL = re.compile(r"https?://[^\s/?#\"'<>]+(/[^\s?#\"'<>]*)?", re.ASCII)


class Limit(NamedTuple):
    """A limit: the option of ``eiwflow app`` that sets it, the environment variable, and words for ``--help``."""

    option: str
    variable: str
    words: str


#: The limits by the names of :class:`Settings`, which has their defaults.
LIMITS = {
    "steps": Limit("student-steps", "EIWFLOW_STUDENT_STEPS", "of one training"),
    "minutes": Limit("student-minutes", "EIWFLOW_STUDENT_MINUTES", "minutes after which a training is asked to stop"),
    "memory_mib": Limit("student-memory", "EIWFLOW_STUDENT_MEMORY_MIB", "MiB of a student's training"),
    "disk_mib": Limit("student-disk", "EIWFLOW_STUDENT_DISK_MIB", "MiB of a student's runs"),
    "uploads_mib": Limit("student-uploads", "EIWFLOW_STUDENT_UPLOADS_MIB", "MiB of a student's uploads"),
    "all_uploads_mib": Limit("uploads", "EIWFLOW_UPLOADS_MIB", "MiB of all visitors' uploads"),
}


@dataclass(frozen=True)
class Settings:
    """The settings of a server.

    Attributes:
        mode: ``classroom``, ``read-only``, or empty.
        join_url: where visitors reach the app, without a slash at its end; empty if not set.
        steps: most training steps of a student's run.
        minutes: time after which a student's run is asked to stop, and ended if it does not.
        memory_mib: estimated memory of a student's training, at most.
        disk_mib: of the runs of one student, at most.
        uploads_mib: memory of the files of one student over all tabs, at most.
        all_uploads_mib: memory of the files of all visitors together, in every mode.

    """

    mode: str = ""
    join_url: str = ""
    steps: int = 2000
    minutes: int = 5
    memory_mib: int = 2048
    disk_mib: int = 200
    uploads_mib: int = 64
    all_uploads_mib: int = 1024

    @property
    def classroom(self) -> bool:
        """Whether a class joins."""
        return self.mode == CLASSROOM


def settings() -> Settings:
    """Return the settings in the environment.

    Raises:
        ValueError: the message states the variable, its value and the allowed values.

    """
    mode = os.environ.get(MODE_VARIABLE, "")
    if mode not in ("", CLASSROOM, READ_ONLY):
        raise ValueError(f"{MODE_VARIABLE} is {mode[:40]!r}; choose {CLASSROOM}, {READ_ONLY} or leave it out.")
    url = os.environ.get(JOIN_VARIABLE, "").rstrip("/")
    if url and not (_URL.fullmatch(url) and _has_host_and_port(url)):
        raise ValueError(f"{JOIN_VARIABLE} is {url[:80]!r}; it must be an address such as http://192.168.1.20:8501.")
    return Settings(mode, url, **{name: _limit(name) for name in LIMITS})


def check(address: str | None = None) -> None:
    """Check every setting.

    Args:
        address: for the server to listen on; None if it listens already.

    Raises:
        ValueError: the message states the variable, its value and the allowed values.

    """
    if settings().classroom:
        _check_token(os.environ.get(TOKEN_VARIABLE, "").strip() or None)
    ancestors()
    for variable in (RUNS_VARIABLE, DATA_VARIABLE):
        folder = Path(os.path.expanduser(os.environ.get(variable, "")))
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise ValueError(f"{variable} is {str(folder)[:200]!r}, which is no folder; name one, or leave it out.")
    for root in data_roots() or []:
        if not os.path.isdir(root):
            raise ValueError(f"{DATA_ROOTS_VARIABLE} names {str(root)[:200]!r}, which is no folder; leave it out.")
    if address:
        _check_address(address)


def ancestors() -> list[str]:
    """Return the origins, beside the app's own, that may show it in a frame.

    Raises:
        ValueError: one of them is not an origin.

    """
    origins = os.environ.get(ANCESTORS_VARIABLE, "").split()
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{ANCESTORS_VARIABLE} holds {origin[:80]!r}; it must be origins such as https://course.example, "
                "separated by spaces."
            )
    return origins


def data_roots() -> list[Path] | None:
    """Return the folders whose images visitors may train on; None if not set.

    Raises:
        ValueError: one of them cannot be a path.

    """
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


def _has_host_and_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _limit(name: str) -> int:
    variable = LIMITS[name].variable
    text = os.environ.get(variable, "")
    if not text:
        return int(getattr(Settings, name))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 1_000_000 and len(text) < 9):
        raise ValueError(f"{variable} is {text[:40]!r}; choose a whole number from 1 to 1,000,000.")
    return int(text)


@lru_cache(maxsize=1)
def teacher_token() -> str:
    """Return the secret that makes a browser the teacher's; a new one for every server unless one is set.

    Raises:
        ValueError: the token that is set is too short.

    """
    # Removed, so that child processes do not inherit it.
    token = os.environ.pop(TOKEN_VARIABLE, "").strip() or secrets.token_urlsafe(24)
    _check_token(token)
    return token


def _check_token(token: str | None) -> None:
    if token is not None and (len(token) < SHORTEST_TOKEN or not re.fullmatch(r"[\w.~-]+", token, re.ASCII)):
        raise ValueError(
            f"{TOKEN_VARIABLE} must have at least {SHORTEST_TOKEN} letters, digits, dots, dashes or underscores."
        )
