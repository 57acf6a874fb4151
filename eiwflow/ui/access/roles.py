"""Roles of visitors (teacher, student, guest, anyone) and their rights.

A browser is known by a cookie that this server has signed: it survives a reload, ends with the server, and can be
neither guessed nor made by others. The teacher's browser has a second cookie, in exchange for the token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from enum import Enum

import streamlit as st

from ...server_settings import CLASSROOM, READ_ONLY, settings
from .app_url import base_path

#: Signs the cookies of this server; after a restart no browser is known.
_KEY = secrets.token_bytes(32)
VISITOR, TEACHER = "visitor", "teacher"
#: Refusals of a change.
NOBODY = "This server is read-only: nothing is changed or trained here. Install eiwflow to train a flow of your own."
TEACHER_ONLY = "On this server only the teacher trains flows and changes runs."


class Role(Enum):
    """The role of a visitor."""

    ANYONE = "anyone"
    TEACHER = "teacher"
    STUDENT = "student"
    GUEST = "guest"


# ---------------------------------------------------------------------- cookies


def cookie_name(kind: str) -> str:
    """Return the name of a cookie: browsers send it to all ports and paths of a host, so it tells servers apart.

    Containers have the same port inside, and then ``--join-url`` says where each is reached.
    """
    place = hashlib.sha256(f"{settings().join_url}{base_path()}".encode()).hexdigest()[:8]
    return f"eiwflow-{kind}-{st.get_option('server.port')}-{place}"


def new_cookie(kind: str) -> str:
    """Return the value of a new cookie of this kind."""
    token = secrets.token_hex(16)
    return f"{token}.{_signature(kind, token)}"


def _signature(kind: str, token: str) -> str:
    return hmac.new(_KEY, f"{kind}:{token}".encode(), hashlib.sha256).hexdigest()


def _token(kind: str, cookies: Mapping[str, str]) -> str:
    """Return the token of a cookie signed by this server; empty for other cookies."""
    token, _, signature = cookies.get(cookie_name(kind), "").partition(".")
    right = hmac.compare_digest(_signature(kind, token).encode(), signature.encode(errors="replace"))
    return token if token and right else ""


def visitor_of(cookies: Mapping[str, str]) -> str:
    """Return the name of the browser that sent these cookies; empty where it is not known."""
    token = _token(VISITOR, cookies)
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else ""


def is_teacher(cookies: Mapping[str, str]) -> bool:
    """Return whether the teacher's browser sent these cookies."""
    return settings().classroom and bool(_token(TEACHER, cookies))


def _cookies() -> Mapping[str, str]:
    """Return the cookies of this session, which name its browser."""
    return st.context.cookies


# ---------------------------------------------------------------------- rights


def role(cookies: Mapping[str, str] | None = None) -> Role:
    """Return the role of the browser that sent these cookies, by default of this session's."""
    mode = settings().mode
    if mode == CLASSROOM:
        return Role.TEACHER if is_teacher(_cookies() if cookies is None else cookies) else Role.STUDENT
    return Role.GUEST if mode == READ_ONLY else Role.ANYONE


def may_change(cookies: Mapping[str, str] | None = None) -> bool:
    """Return whether a browser, see :func:`role`, may start, stop, rename, delete or export runs and studies."""
    return role(cookies) in (Role.ANYONE, Role.TEACHER)


def check_change() -> None:
    """Refuse a change that this visitor may not make.

    Raises:
        RunError: it says who may.

    """
    from ...training.run_directory import RunError

    if not may_change():
        raise RunError(NOBODY if role() is Role.GUEST else TEACHER_ONLY)
