"""How a class joins: the address, its QR code, and the teacher's own link."""

from __future__ import annotations

import io
import sys
from functools import lru_cache

import segno

from ...server_settings import OF_THIS_MACHINE, settings, teacher_token
from ..access.app_url import address

#: Path below the app's address that, with the token, makes a browser the teacher's.
TEACHER_PATH = "_class/teacher"


@lru_cache(maxsize=4)
def qr_code(text: str) -> str:
    """Return a QR code as an SVG picture: black on white in every theme, or a camera would not see it."""
    file = io.BytesIO()
    segno.make(text, micro=False, error="m").save(
        file, kind="svg", scale=8, border=4, dark="#000", light="#fff", xmldecl=False, omitsize=True, title="QR code"
    )
    return file.getvalue().decode()


def announcement() -> str:
    """Return the text that the server prints at its start; empty without a class."""
    if not settings().classroom:
        return ""
    drawn = io.StringIO()
    segno.make(address(), micro=False, error="m").terminal(drawn, compact=True, border=2)
    lines = ["", "Classroom mode", f"  Students join at   {address()}", "", drawn.getvalue().rstrip("\n"), ""]
    if any(f"//{host}" in address() for host in OF_THIS_MACHINE):
        lines += [
            "  Only this machine reaches that address. For a class: eiwflow app --classroom --address 0.0.0.0",
            "",
        ]
    link = f"{address()}/{TEACHER_PATH}/{teacher_token()}"
    lines += ["  Open this in your own browser, and show it to nobody:", f"  Teacher            {link}", ""]
    return "\n".join(lines)


def announce() -> None:
    """Print it; letters that the terminal cannot show are replaced."""
    if text := announcement():
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        print(text.encode(encoding, "replace").decode(encoding), flush=True)
