"""The URL of the app, as visitors reach it."""

from __future__ import annotations

import streamlit as st

from ...server_settings import settings


def address() -> str:
    """Return the address that the class types, without a slash at its end."""
    if known := settings().join_url:
        return known
    host, port = st.get_option("server.address") or "localhost", st.get_option("server.port")
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{base_path()}"


def base_path() -> str:
    """Return the beginning of the path of every address of the app: empty, or a slash and a name."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""
