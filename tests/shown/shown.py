"""What a page shows, as plain text; and the comparison of such a text with the one on file.

These tests see a change. Whether a number is right is asked by the other tests; a file on record was read once.

Numbers are written so that two machines agree: all of a list with the places that its largest has in four significant
digits. Times, dates, folders and hashes are masked in :func:`masked`, and nowhere else.
"""

from __future__ import annotations

import base64
import csv
import difflib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import unescape
from itertools import groupby
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf.message import Message
from PIL import Image
from streamlit.testing.v1 import AppTest

from eiwflow.ui.access import navigation

FOLDER = Path(__file__).parent
#: The variable of the environment with which the tests of this folder write their files instead of comparing.
REWRITE = "EIWFLOW_REWRITE"
#: Values of a list that are written in full; of a longer list, the first and last three and two means.
IN_FULL = 12
#: Letters of a list of words that is written in full.
IN_WORDS = 300
#: Numbers that are all below this are rounding errors of floats, which differ between machines.
TINY = 1e-5
#: Relative difference of two numbers that are taken for equal.
CLOSE = 2e-3
#: Lines of a difference that a failure shows.
SHOWN = 60

# ------------------------------------------------------------------------------------------------ the comparison

_NUMBER = re.compile(r"(?<![\w#.,])[-+−]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")
_DECIMAL = re.compile(r"[-−+]?\d[\d,]*(?:\.\d+(?:e[-+]?\d+)?|(?=\s?%))")
#: A whole number is a count and must be equal, unless one of these follows: then it was rounded.
_ROUNDED = re.compile(r"\s?(?:%|dB|MiB|KiB|bytes|of 100\b)")


def approved(name: str, text: str) -> None:
    """Compare a text with ``tests/shown/<name>.txt``: words must be equal, numbers within their last digit or 0.2 %.

    With ``EIWFLOW_REWRITE=1`` write the file instead, and skip the test.
    """
    path = FOLDER / f"{name}.txt"
    text = masked(text).rstrip("\n") + "\n"
    if os.environ.get(REWRITE):
        path.write_text(text, encoding="utf-8")
        pytest.skip(f"{path.name} is written anew")
    if not path.is_file():
        pytest.fail(f"tests/shown/{path.name} is not there. {_how(name)}", pytrace=False)
    if difference := different(path.read_text(encoding="utf-8"), text, f"tests/shown/{path.name}"):
        pytest.fail(f"{difference}\n{_how(name)}", pytrace=False)


def _how(name: str) -> str:
    return f"If the change is meant: {REWRITE}=1 pytest tests/shown, then read the difference of {name}.txt."


def different(expected: str, found: str, name: str = "on file") -> str:
    """Return a short unified diff of two texts, empty if all words are equal and all numbers close."""
    old, new = expected.splitlines(), found.splitlines()
    # A line whose numbers are close counts as the line on file, so that the rest of the text is lined up by it.
    by_words: dict[str, list[str]] = {}
    for line in old:
        by_words.setdefault(_words(line), []).append(line)
    known = set(old)
    taken = [
        next((line for line in by_words.get(_words(each), ()) if each not in known and alike(line, each)), each)
        for each in new
    ]
    if len(old) == len(new) and all(map(alike, old, new)):
        return ""
    lines = list(difflib.unified_diff(old, taken, name, "found now", n=1, lineterm=""))
    more = [f"… and {len(lines) - SHOWN} lines more"] if len(lines) > SHOWN else []
    return "\n".join(line if len(line) <= 400 else f"{line[:400]} …" for line in [*lines[:SHOWN], *more])


def changes(before: str, after: str) -> str:
    """Return the lines by which a text differs from another; of lines that went, the first and their number.

    ``@`` names the element in which a line stands.
    """
    old, new = (masked(text).splitlines() for text in (before, after))
    lines: list[str] = []
    last = ""
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        inside = next((line for line in reversed(new[: c + 1]) if line[:1] not in (" ", "")), "")
        if d > c and inside != new[c] and inside != last:
            lines.append(f"@ {inside[:80]}")
            last = inside
        if d == c:
            more = f" … {b - a - 1} lines more" if b - a > 1 else ""
            lines.append(f"- {old[a][:80]}{more}")
        lines += [f"+ {line}" for line in new[c:d]]
    return "\n".join(lines)


def _words(line: str) -> str:
    return _NUMBER.sub("0", line)


def alike(old: str, new: str) -> bool:
    """Return whether two lines have equal words and close numbers."""
    if old == new:
        return True
    if _words(old) != _words(new):
        return False
    pairs = zip(_NUMBER.finditer(old), _NUMBER.finditer(new), strict=True)
    return all(close(a.group(), b.group(), bool(_ROUNDED.match(old, a.end()))) for a, b in pairs)


def close(old: str, new: str, rounded: bool = False) -> bool:
    """Return whether two numbers as text are equal; decimals, and rounded whole numbers, within one of the last digit.

    >>> close("0.123", "0.124"), close("12", "13"), close("12", "13", rounded=True)
    (True, False, True)
    """
    if old == new:
        return True
    if not rounded and not set(".e") & set(old + new):
        return False
    a, b = (float(text.replace(",", "").replace("−", "-")) for text in (old, new))
    # Where one of them is 0 without decimals, the other's digits count.
    digit = max([_last_digit(text) for text in (old, new) if set(".e") & set(text)], default=1.0)
    return abs(a - b) <= max(1.001 * digit, CLOSE * min(abs(a), abs(b)))


def _last_digit(text: str) -> float:
    """Return the unit of a number's last digit: 0.01 of "3.14"."""
    mantissa, _, exponent = text.partition("e")
    return float(10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2])))


_MASKS: tuple[tuple[str, str], ...] = (
    *((rf"(?<![\d.]){re.escape(each)}(?![\w+])", "<version>") for each in (torch.__version__, python_version())),
    (r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?", "<date>"),
    (r"(?<![\w.…:/<])(?:/[\w.~+-]+){2,}/(?=[\w.])", "<folder>/"),
    (r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{12,}\b", "<hash>"),
    (r"(?<=-)[0-9a-f]{8}(?=[-.])", "<hash>"),  # of a flow, in the name of a file
    (r"(?<![\w.])\d+(?:\.\d+)?·10⁻(?:[⁶⁷⁸⁹]|¹[⁰¹²³⁴⁵⁶⁷⁸⁹])", "<tiny>"),
    (r"(?<=off by )0(?= )|(?<=by more than )0(?= (?:of|nats))", "<tiny>"),
    (r"closes to \S+ in float64, \S+ in float32", "closes to <tiny> in float64, <tiny> in float32"),
    (r"level \d+(?= inverts least exactly)", "level <any>"),
    (r"(?<=<tiny>, src=picture )(\S+)[^>]*?(?=, style)", r"\1 of rounding errors"),
)


def masked(text: str) -> str:
    """Return a text without what differs between machines and days: versions, dates, folders, hashes, rounding."""
    for pattern, instead in _MASKS:
        text = re.sub(pattern, instead, text)
    return text


# ------------------------------------------------------------------------------------------------ numbers and pictures


def values(numbers: Any) -> str:
    """Return a list or an array in one line, shortened where it is long."""
    array = np.asarray(numbers)
    if not array.ndim:
        return _item(array.item())
    if array.dtype == object or array.dtype.kind not in "iufb":
        return _mixed(list(numbers))
    shape = f"{'×'.join(map(str, array.shape))} " if array.ndim > 1 else ""
    flat = array.ravel()
    if flat.size <= IN_FULL:
        return f"{shape}[{', '.join(_numbers(flat))}]"
    largest = np.abs(flat[np.isfinite(flat)]).max(initial=0)
    head, tail = (", ".join(_numbers(part, largest)) for part in (flat[:3], flat[-3:]))
    missing = int((~np.isfinite(flat)).sum())
    unknown = f", {missing} not finite" if missing else ""
    return f"{shape}{flat.size} values [{head} … {tail}] mean {' weighted '.join(means(flat))}{unknown}"


def _mixed(items: Sequence[Any]) -> str:
    """Return a list of words, with or without numbers, in one line; a long one with the number of different ones."""
    if items and all(item is None or isinstance(item, (int, float)) for item in items):
        return values(np.array([np.nan if item is None else item for item in items], dtype=np.float64))
    texts = [masked(_item(item)) for item in items]
    runs = [(text, len(list(several))) for text, several in groupby(texts)]
    together = ", ".join(text if count == 1 else f"{count} × {text}" for text, count in runs)
    if len(together) <= IN_WORDS:
        return f"[{together}]"
    # Sums that see another word, another number, and another order.
    every = ", ".join(texts)
    known = [float(each.replace(",", "").replace("−", "-")) for each in _DECIMAL.findall(every)]
    words = _DECIMAL.sub("", every)
    letters = sum(place % 9973 * ord(letter) for place, letter in enumerate(words, start=1))
    numbers = f", numbers {' weighted '.join(means(np.array(known)))}" if known else ""
    ends = [texts[place][: IN_WORDS // 4] for place in (0, -1)]
    return f"{len(texts)} items [{' … '.join(ends)}] letters {letters}{numbers}"


def _item(item: Any) -> str:
    if isinstance(item, str):
        return _text(item)
    if isinstance(item, (list, tuple, np.ndarray)):
        return values(item)
    if isinstance(item, Message):
        return re.sub(r"\s+", " ", str(item)).strip()
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{key}: {_item(each)}" for key, each in item.items()) + "}"
    return number(item)


def number(value: Any) -> str:
    """Return one number with four significant digits."""
    if value is None or isinstance(value, (bool, np.bool_)):
        return {None: "–", True: "yes", False: "no"}[None if value is None else bool(value)]
    return _numbers(np.array([value]))[0]


def _numbers(array: np.ndarray, largest: float | None = None, whole: bool = True) -> list[str]:
    """Return numbers as texts: whole ones in full, else with the places of the largest in four significant digits."""
    finite = array[np.isfinite(array)].astype(np.float64)
    if whole and np.all(finite == np.round(finite)) and np.abs(finite).max(initial=0) < 1e12:
        return [str(int(each)) if np.isfinite(each) else "–" for each in array]
    largest = np.abs(finite).max(initial=0) if largest is None else largest
    if largest < TINY:
        return ["tiny" if np.isfinite(each) else "–" for each in array]
    return [_float(float(each), float(largest)) for each in array]


def _float(value: float, largest: float) -> str:
    if not np.isfinite(value):
        return "–"
    place = int(np.floor(np.log10(largest))) - 3
    text = f"{value:.{-place}f}" if place < 0 else f"{value:.1f}" if place < 2 else f"{value:.3e}"
    return "0" if float(text) == 0 else text


def picture(uri: str) -> str:
    """Return a picture inside a URI by its shape and the means of its bytes."""
    kind, content = uri.split(",", 1)
    if "svg" in kind:
        return "picture svg"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    return f"picture {'×'.join(map(str, pixels.shape))} mean {' weighted '.join(means(pixels.ravel()))}"


def raw(content: str) -> str:
    """Return bytes in base64 by their number and means."""
    flat = np.frombuffer(base64.b64decode(content), np.uint8)
    return f"{flat.size} bytes mean {' weighted '.join(means(flat))}"


def means(flat: np.ndarray) -> list[str]:
    """Return the mean of numbers, those that are not finite as 0, and their mean weighted by place.

    The second sees a changed order.
    """
    known = np.where(np.isfinite(flat), flat, 0.0).astype(np.float64)
    places = np.arange(1, flat.size + 1)
    both = np.array([known.mean(), (known * places).sum() / places.sum()])
    return _numbers(both, np.abs(known).max(), whole=False)


# ------------------------------------------------------------------------------------------------ words and HTML


def _text(text: str) -> str:
    """Return words of a page or a figure, with pictures by their means and without the glossary's definitions."""
    text = re.sub(r"data:image/[\w+]+;base64,[\w+/=]+", lambda found: picture(found.group()), text)
    text = re.sub(r'(?<="maps": ")[\w+/=]+', lambda found: raw(found.group()), text)
    text = re.sub(
        r'<span class="eiw-term"[^>]*>(.*?)<span class="eiw-definition".*?</span></span>', r"\1", text, flags=re.DOTALL
    )
    return text


def html(text: str) -> list[str]:
    """Return HTML as lines: words, and of a tag what it says: alternative text, sizes in its style, data."""
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<br ?/?>", " / ", _text(text))
    text = re.sub(r"</(p|div|h\d|tr|li|section|figure|header|dl|dd|table)>", "\n", text)
    text = re.sub(r"</t[hd]>", " | ", text)
    text = re.sub(r"<(\w+)((?:\s[^<>]*)?)>", lambda found: _tag(*found.groups()), text)
    text = re.sub(r"</\w+>", "", text)
    return [line for line in (re.sub(r"\s+", " ", unescape(line)).strip(" ") for line in text.split("\n")) if line]


#: Declarations of a style that say a number, and not how something looks.
_SIZES = ("--", "width", "max-width", "aspect-ratio")


def _tag(name: str, attributes: str) -> str:
    said: dict[str, str] = dict(re.findall(r'([\w-]+)="([^"]*)"', attributes))
    for key in ("tabindex", "role", "scope", "id", *(["title"] if said.get("title") == said.get("alt") else [])):
        said.pop(key, None)
    if said.get("aria-label", "").startswith("Table: "):
        said.pop("aria-label")  # the words of its headings
    if kept := [each.strip() for each in said.pop("style", "").split(";") if each.strip().startswith(_SIZES)]:
        said["style"] = "; ".join(kept)
    kind = "".join(f".{each.removeprefix('eiw-')}" for each in said.pop("class", "").split())
    if not said and (not kind or name in ("td", "th", "tr")):
        return ""
    more = "".join(f", {key}={unescape(value)}" for key, value in said.items() if value).removeprefix(",")
    return f"\n<{name}{kind}{more}> "


# ------------------------------------------------------------------------------------------------ figures

#: Of a figure: how it looks in all charts alike.
_LOOKS = {
    "font", "hoverlabel", "paper_bgcolor", "plot_bgcolor", "autosize", "datarevision", "template", "dragmode",
    "hovermode", "margin", "legend", "automargin", "gridcolor", "zerolinecolor", "standoff", "tickfont", "uid",
    "textfont", "height", "showgrid", "zeroline", "cliponaxis", "connectgaps", "showarrow", "thickness", "opacity",
    "xanchor", "yanchor", "hoverinfo", "legendgroup", "tickangle", "fixedrange", "error_x.color", "error_y.color",
    "error_x.type", "error_y.type", "error_x.width", "error_y.width", "fgcolor", "marker.line.width",
    "marker.line.color", "line.width", "fillmode", "solidity", "sizex", "sizey", "sizing", "xref", "yref", "layer",
    "textangle", "xshift",
}  # fmt: skip


def figure(spec: Mapping[str, Any]) -> list[str]:
    """Return a plotly figure as lines: its layout, then every trace with its lists, then its frames."""
    lines = [f"  layout {line}" for line in _fields(spec.get("layout", {}))]
    first: dict[str, int] = {}
    for place, trace in enumerate(spec["data"], start=1):
        for line in _fields(trace):
            of = first.setdefault(line, place)
            lines.append(f"  #{place} {line if of == place or len(line) < 40 else f'{line.split()[0]} as #{of}'}")
    if frames := spec.get("frames"):
        lines.append(f"  frames {values([frame.get('name', '') for frame in frames])}")
        lines += [f"  {line}" for line in _over_frames(frames)]
    return lines


def _over_frames(frames: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the fields of each trace of the frames, those of all frames in one list."""
    for place in range(max(len(frame.get("data", ())) for frame in frames)):
        fields: dict[str, list[Any]] = {}
        for frame in frames:
            for key, value in _flat(frame["data"][place]) if place < len(frame.get("data", ())) else ():
                listed = _decoded(value)
                fields.setdefault(key, []).extend(np.ravel(listed).tolist() if _is_list(listed) else [listed])
        for key, together in fields.items():
            same = len({str(each) for each in together}) == 1
            if key != "type":
                yield f"frames #{place + 1} {key} {_item(together[0]) if same else values(together)}"
    layouts = [dict(_flat(frame["layout"])) for frame in frames if frame.get("layout")]
    for key in dict.fromkeys(key for layout in layouts for key in layout):
        yield f"frames layout {key} {values([layout.get(key) for layout in layouts])}"


def _fields(thing: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is one word each in one line, and then a line for each list."""
    words, lists = [], []
    known = dict(_flat(thing))
    for key, value in known.items():
        if key.endswith(".arrayminus") and value == known.get(key.removesuffix("minus")):
            continue  # as far below as above
        listed = _decoded(value)
        (lists if _is_list(listed) else words).append(f"{key} {_item(listed)}")
    if words:
        yield "; ".join(words)
    yield from lists


def _flat(thing: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in sorted(thing.items()):
        # What looks alike in all charts has a meaning where it differs from mark to mark.
        if value in ({}, None) or ({key, f"{before}{key}"} & _LOOKS and not isinstance(value, list)):
            continue
        if isinstance(value, Mapping) and "bdata" not in value:
            yield from _flat(value, f"{before}{key}.")
        elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            for place, each in enumerate(value, start=1):
                yield f"{before}{key}[{place}]", "; ".join(_fields(each))
        else:
            yield f"{before}{key}", value


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray))


def _decoded(value: Any) -> Any:
    """Return a figure's value, an array where plotly has written its bytes."""
    if not (isinstance(value, Mapping) and "bdata" in value):
        return value
    array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
    return array.reshape([int(side) for side in str(value["shape"]).split(",")]) if "shape" in value else array


# ------------------------------------------------------------------------------------------------ a page

#: What a control or a bar says beside its label, its value and its options.
_SAID = (
    "default", "step", "min", "max", "max_chars", "max_selections", "placeholder", "disabled", "multiple_files", "text",
    "icon", "help",
)  # fmt: skip
#: Folds whose text stands in assets/texts, where it is read.
_TEXTS = ("How to read this", "Glossary", "About EIW-Flow")


def page(at: AppTest, files: Mapping[str, bytes] | None = None) -> str:
    """Return all of a page in order, as text: its main part, its side bar, and the files that it offers.

    ``files`` are those that a page would make on a click, by their names.
    """
    lines = []
    for name, part in (("page", at.main), ("side bar", at.sidebar)):
        lines += [f"==== {name}", *_links_together(_Walk()(part))]
    for name, content in (files or {}).items():
        lines += [f"==== {name}", *file(name, content)]
    return "\n".join(lines)


def _links_together(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines, those of links that follow each other as one, also across the captions of their groups."""
    captions = {f"caption: {entry.group}" for entry in navigation.pages()}
    for is_link, several in groupby(lines, key=lambda line: line.startswith("link ") or line in captions):
        here = list(several)
        yield from (
            ["; ".join(line.removeprefix("link ").removeprefix("caption: ") for line in here)] if is_link else here
        )


def file(name: str, content: bytes) -> list[str]:
    """Return a file that a page offers as lines: a column of a CSV or an array of an NPZ in one line."""
    if name.endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        return [f"  {key}: {_column([row[key] for row in rows])}" for key in (rows[0] if rows else ())]
    if name.endswith(".npz"):
        with np.load(io.BytesIO(content)) as arrays:
            return [f"  {key}: {values(arrays[key])}" for key in arrays.files]
    return ["  a file"]


def _column(cells: Sequence[str]) -> str:
    try:
        return values([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return _mixed(cells)


class _Walk:
    """Goes through a page; what links carry is written where it differs from the last."""

    def __init__(self) -> None:
        self.address = ""

    def __call__(self, node: Any) -> Iterator[str]:
        kind, proto = getattr(node, "type", ""), getattr(node, "proto", None)
        if kind in ("expander", "popover", "dialog", "tab", "status"):
            label = getattr(node, "label", "") or _label(proto)
            yield f"[{kind} {label}]"
            if label in _TEXTS:
                return
        if not hasattr(node, "children"):
            yield from self.element(kind, node, proto)
            return
        columns = [child for child in node.children.values() if getattr(child, "type", "") == "column"]
        for child in node.children.values():
            if len(columns) > 1 and child in columns:
                yield f"| column {columns.index(child) + 1} of {len(columns)}"
            yield from self(child)
        if kind in ("expander", "popover", "dialog", "tab", "status"):
            yield f"[end of {label}]"

    def element(self, kind: str, node: Any, proto: Any) -> Iterator[str]:
        """Yield the lines of one element."""
        if kind == "plotly_chart":
            saved = json.loads(proto.config).get("toImageButtonOptions", {})
            yield f"chart {_key(proto.id)}, saved as {saved.get('filename')}.{saved.get('format')}"
            yield f"  alt {_text(proto.alt)}"
            spec = json.loads(proto.spec)
            if spec["layout"].get("paper_bgcolor") == "white":
                yield "  for print"
            yield from figure(spec)
        elif kind == "html":
            yield from html(proto.body)
        elif kind == "bidi_component":
            yield from self.component(proto)
        elif kind in ("vega_lite_chart", "arrow_vega_lite_chart"):
            yield from vega(proto)
        elif kind in ("arrow_data_frame", "arrow_table", "dataframe", "table"):
            yield kind
            yield from _frame(node.value)
        elif kind == "code":
            lines = proto.code_text.splitlines()  # the tests of the command line run it with its imports
            yield from (f"code: {line}" for line in lines if line and not line.startswith(("from ", "import ")))
        elif kind == "page_link":
            if proto.query_string != self.address:
                yield f"links carry {proto.query_string}"
            self.address = proto.query_string
            yield f"link {proto.label} -> {proto.page}"
        elif kind != "empty":
            yield from self.control(kind, node, proto)

    def control(self, kind: str, node: Any, proto: Any) -> Iterator[str]:
        """Yield a sentence, or a control with its options, its value and its help."""
        names = {field.name for field, _ in proto.ListFields()}
        if "body" in names:
            head, *rest = _text(proto.body).splitlines() or [""]
            yield f"{kind}: {head}"
            yield from (f"  {line}" for line in rest)
            return
        chosen = None if kind.endswith("button") else getattr(node, "value", None)
        label = getattr(proto, "label", "")
        parts = [f"{kind} {label}".rstrip() + ("" if chosen in (None, label) else f" = {_item(chosen)}")]
        if "options" in names:
            parts.append(f"options: {' | '.join(str(getattr(each, 'content', each)) for each in proto.options)}")
        for field, value in sorted(proto.ListFields(), key=lambda pair: pair[0].name == "help"):
            if field.name in _SAID:
                parts.append(f"{field.name}: {values(list(value)) if field.is_repeated else _item(value)}")
        yield "; ".join(parts).replace("\n", " / ")

    def component(self, proto: Any) -> Iterator[str]:
        """Yield what a component of ours is given."""
        yield f"component {_key(proto.id)}"
        data = json.loads(proto.json or proto.mixed.json or "null")
        yield from (f"  {line}" for line in _fields(data if isinstance(data, Mapping) else {"data": data}))
        if proto.mixed.arrow_blobs:
            yield f"  tables: {', '.join(sorted(proto.mixed.arrow_blobs))}"


def _key(identity: str) -> str:
    """Return the key of an element inside Streamlit's id of it."""
    return re.sub(r"^\$\$ID-[0-9a-f]+-", "", identity)


def _label(proto: Any) -> str:
    return next((getattr(proto, kind).label for kind in ("popover", "expandable", "tab") if proto.HasField(kind)), "")


def vega(proto: Any) -> Iterator[str]:
    """Yield the description and the columns of a chart by Vega-Lite."""
    from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df as frame_of

    yield f"chart by Vega-Lite {_key(proto.id)}: {_item(json.loads(proto.spec))}"
    yield f"  alt {_text(proto.alt)}"
    for data in [proto.data, *(each.data for each in proto.datasets)]:
        if data.data:
            yield from _frame(frame_of(data.data))


def _frame(table: Any) -> Iterator[str]:
    for name in table.columns:
        yield f"  {name}: {values(table[name].to_list())}"


def recorder(files: dict[str, bytes], button: Callable[..., Any]) -> Callable[..., Any]:
    """Return Streamlit's button for downloads, which also makes a table or an array at once and keeps it in ``files``.

    A page makes a file on a click, which a test's app has not.
    """

    def draw(label: str, data: Any, file_name: str, *more: Any, **named: Any) -> Any:
        if file_name.endswith((".csv", ".npz")) and callable(data):
            files[file_name] = data()
        return button(label, data, file_name, *more, **named)

    return draw
