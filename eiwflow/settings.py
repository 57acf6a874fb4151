"""What the server was started as, from environment variables; ``eiwflow app`` sets them."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache

#: ``classroom``, ``read-only``, or nothing: everyone who reaches the app may do everything.
MODE_VARIABLE = "EIWFLOW_MODE"
CLASSROOM, READ_ONLY = "classroom", "read-only"
#: The address under which visitors reach the app.
JOIN_VARIABLE = "EIWFLOW_JOIN_URL"
#: A teacher's token of one's own, where it should outlive the server.
TOKEN_VARIABLE = "EIWFLOW_TEACHER_TOKEN"
#: A token has no fewer characters: it can be tried as often as the network allows.
SHORTEST_TOKEN = 16
#: Limits, and the variable that sets each.
LIMITS = {
    "steps": "EIWFLOW_STUDENT_STEPS",
    "minutes": "EIWFLOW_STUDENT_MINUTES",
    "disk_mib": "EIWFLOW_STUDENT_DISK_MIB",
    "uploads_mib": "EIWFLOW_STUDENT_UPLOADS_MIB",
    "all_uploads_mib": "EIWFLOW_UPLOADS_MIB",
}
_URL = re.compile(r"https?://[^\s/?#\"'<>]+(/[^\s?#\"'<>]*)?", re.ASCII)


@dataclass(frozen=True)
class Settings:
    """What the server was started as.

    Attributes:
        mode: ``classroom``, ``read-only``, or empty.
        join_url: where visitors reach the app, without a slash at its end; empty where nobody said.
        steps: training steps that a student's run has at most.
        minutes: after so many a student's run is asked to stop.
        disk_mib: that the runs of one student take at most.
        uploads_mib: that the files of one student take in memory at most, over all tabs.
        all_uploads_mib: that the files of all visitors take together, in every mode.

    """

    mode: str = ""
    join_url: str = ""
    steps: int = 2000
    minutes: int = 5
    disk_mib: int = 200
    uploads_mib: int = 64
    all_uploads_mib: int = 1024

    @property
    def classroom(self) -> bool:
        """Whether a class joins."""
        return self.mode == CLASSROOM


def settings() -> Settings:
    """Return what the environment says.

    Raises:
        ValueError: with the variable, its value and what is allowed.

    """
    mode = os.environ.get(MODE_VARIABLE, "")
    if mode not in ("", CLASSROOM, READ_ONLY):
        raise ValueError(f"{MODE_VARIABLE} is {mode[:40]!r}; choose {CLASSROOM}, {READ_ONLY} or leave it out.")
    url = os.environ.get(JOIN_VARIABLE, "").rstrip("/")
    if url and not _URL.fullmatch(url):
        raise ValueError(f"{JOIN_VARIABLE} is {url[:80]!r}; it must be an address such as http://192.168.1.20:8501.")
    return Settings(mode, url, **{name: _limit(name) for name in LIMITS})


def _limit(name: str) -> int:
    variable = LIMITS[name]
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
        ValueError: the one that is set is too short.

    """
    # Taken away: processes that this one starts have no use for it.
    token = os.environ.pop(TOKEN_VARIABLE, "").strip() or secrets.token_urlsafe(24)
    if len(token) < SHORTEST_TOKEN or not re.fullmatch(r"[\w.~-]+", token, re.ASCII):
        raise ValueError(
            f"{TOKEN_VARIABLE} must have at least {SHORTEST_TOKEN} letters, digits, dots, dashes or underscores."
        )
    return token
