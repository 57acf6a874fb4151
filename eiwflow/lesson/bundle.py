"""The stage's modules as one script, for the component and for the lesson in one file. Needs no torch."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from html import escape
from pathlib import Path

from .. import project

ASSETS = project.ASSETS / "lesson"
TITLE = "Multi-scale flows"
PLAYGROUND_STYLE = "playground/playground.css"

_IMPORT = re.compile(r'^import \{\s*([^}]+?),?\s*\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|class|(?:async )?function\*?) (\w+))", re.MULTILINE)
_DEFAULT = "export default function "


def _identifier(path: Path) -> str:
    return re.sub(r"\W", "_", str(path.relative_to(ASSETS)))


def _modules(path: Path, done: dict[Path, str]) -> None:
    """Add a module to ``done`` behind those that it imports, each as a function that returns its exports."""
    if path in done:
        return
    text = path.read_text(encoding="utf-8")
    for _, target in _IMPORT.findall(text):
        _modules((path.parent / target).resolve(), done)
    text = _IMPORT.sub(
        lambda match: (
            f"const {{ {match[1].replace(' as ', ': ')} }} = {_identifier((path.parent / match[2]).resolve())};\n"
        ),
        text,
    )
    names = _EXPORT.findall(text)
    text = _EXPORT.sub("", text)
    if _DEFAULT in text:
        text = re.sub(rf"{_DEFAULT}\w*", "function entry", text)
        names.append("entry")
    name = _identifier(path)
    done[path] = (
        f"const make_{name} = () => {{\n{text}return {{ {', '.join(names)} }};\n}};\nconst {name} = make_{name}();\n"
    )


@lru_cache(maxsize=4)
def script(entry: str) -> str:
    """Return one of the entries, such as ``offline.js``, with all modules that it needs, as one module."""
    done: dict[Path, str] = {}
    _modules(ASSETS / entry, done)
    text, name = "".join(done.values()), _identifier(ASSETS / entry)
    return text + (f"export default {name}.entry;\n" if "function entry" in text else "")


@lru_cache(maxsize=2)
def style(*names: str) -> str:
    """Return the stage's style sheet, and others after it."""
    return "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("stage.css", *names))


def page(pack: bytes) -> str:
    """Return the lesson as one HTML page that sends no request to any host."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; "
        "style-src 'unsafe-inline'; img-src data: blob:; worker-src blob:\">"
        f"<title>{escape(TITLE)}</title>"
        "<style>:root { color-scheme: light dark } body { margin: 0 }</style></head>\n"
        f'<body><main id="lesson"></main>\n'
        f'<script type="text/plain" id="style">{style(PLAYGROUND_STYLE)}</script>\n'
        f'<script type="text/plain" id="pack">{base64.b64encode(pack).decode()}</script>\n'
        f'<script type="module">{script("offline.js")}</script></body></html>\n'
    )
