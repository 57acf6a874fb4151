"""The leads of a study as a vector figure for a paper: plain SVG or PDF, drawn without a browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from ..analysis.words.numbers import signed
from ..study.export import leads
from ..study.file import Study
from ..study.statistics import Effect
from . import palette

_COLOURS = {"better": palette.ARMS[0], "worse": palette.ARMS[3], "no conclusion": palette.ARMS[4]}
_NAMES, _WIDTH, _ROW, _TOP, _BELOW, _SIZE = 300, 660, 26, 34, 44, 11
#: Names of the tables of leads, as titles.
_TITLES = {"comparison": "Leads over every other arm", "ladder": "The ladder: over the rung below", "question": "Leads"}


@dataclass
class Drawing:
    """Lines, dots and texts on a page of points, the origin at the top left."""

    width: float
    height: float
    _svg: list[str] = field(default_factory=list)
    _pdf: list[str] = field(default_factory=list)

    def line(self, x: float, y: float, to_x: float, to_y: float, colour: str = "#222222", width: float = 1.0) -> None:
        """Draw a line."""
        self._svg.append(f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{colour}" stroke-width="{width}"/>')
        self._pdf.append(
            f"{_rgb(colour)} RG {width} w {x:.1f} {self.height - y:.1f} m {to_x:.1f} {self.height - to_y:.1f} l S"
        )

    def square(self, x: float, y: float, colour: str, filled: bool, side: float = 7.0) -> None:
        """Draw a square around a point."""
        left, top = x - side / 2, y - side / 2
        fill = colour if filled else "#FFFFFF"
        self._svg.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{side}" height="{side}" fill="{fill}" stroke="{colour}"/>'
        )
        corner = f"{left:.1f} {self.height - top - side:.1f} {side} {side} re B"
        self._pdf.append(f"{_rgb(fill)} rg {_rgb(colour)} RG 1 w {corner}")

    def text(self, x: float, y: float, text: str, anchor: str = "start", bold: bool = False) -> None:
        """Write a text at a point of its base line."""
        weight = ' font-weight="bold"' if bold else ""
        self._svg.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>')
        # Helvetica's mean width; a PDF reader knows the font, and this file does not.
        shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * 0.5 * _SIZE * len(text)
        content = text.replace("−", "–").encode("cp1252", "replace").decode("latin-1")
        for character in "\\()":
            content = content.replace(character, f"\\{character}")
        font = "B" if bold else "F"
        where = f"{x - shift:.1f} {self.height - y:.1f} Td"
        self._pdf.append(f"BT 0 0 0 rg /{font} {_SIZE} Tf {where} ({content}) Tj ET")

    def svg(self) -> str:
        """Return the page as SVG."""
        size = f'width="{self.width:.0f}" height="{self.height:.0f}" viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        font = f'font-family="Helvetica, Arial, sans-serif" font-size="{_SIZE}"'
        body = "\n".join(self._svg)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>\n<rect width="100%" height="100%" fill="#FFFFFF"/>'
        )
        return f"{head}\n{body}\n</svg>\n"

    def pdf(self) -> bytes:
        """Return the page as PDF 1.4, with the fonts that every reader has."""
        stream = "\n".join(self._pdf).encode("latin-1")
        fonts = "".join(
            f"/{key} << /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >> "
            for key, name in (("F", "Helvetica"), ("B", "Helvetica-Bold"))
        )
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {self.width:.0f} {self.height:.0f}] /Contents 4 0 R "
            f"/Resources << /Font << {fonts}>> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        ]
        content, places = b"%PDF-1.4\n", []
        for number, each in enumerate(objects, start=1):
            places.append(len(content))
            content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
        table = "".join(f"{place:010} 00000 n \n" for place in places)
        table = f"xref\n0 5\n0000000000 65535 f \n{table}trailer\n<< /Size 5 /Root 1 0 R >>\n"
        return content + f"{table}startxref\n{len(content)}\n%%EOF\n".encode()


def _rgb(colour: str) -> str:
    return " ".join(f"{int(colour[place : place + 2], 16) / 255:.3f}" for place in (1, 3, 5))


def leads_figure(study: Study, subject: str | None = None) -> Drawing:
    """Return the leads of a study with their intervals: a filled square is claimed, an empty one is not."""
    rows = leads(study, subject)
    tables = {table: [row for row in rows if row[0] == table] for table in _TITLES}
    shown = {table: of_table for table, of_table in tables.items() if of_table}
    ends = [0.0, *(end for *_, effect in rows for end in (*effect.lead_interval, effect.lead) if np.isfinite(end))]
    low, high = min(ends), max(ends)
    height = _BELOW + sum(_TOP + _ROW * len(of_table) for of_table in shown.values())
    drawing = Drawing(_NAMES + _WIDTH - 240, height)

    def x(value: float) -> float:
        return _NAMES + 10 + (_WIDTH - 320) * (value - low) / ((high - low) or 1)

    top = 0.0
    for table, of_table in shown.items():
        drawing.text(10, top + 22, _TITLES[table], bold=True)
        top += _TOP
        drawing.line(x(0), top, x(0), top + _ROW * len(of_table), "#8C8C8C")
        _draw_rows(drawing, of_table, top, x)
        top += _ROW * len(of_table)
    drawing.text(x((low + high) / 2), top + 18, "lead in bits/dim, paired by seed", "middle")
    drawing.text(x((low + high) / 2), top + 33, "line: 95 % interval; filled: claimed after correction", "middle")
    return drawing


def _draw_rows(
    drawing: Drawing, rows: Sequence[tuple[str, str, str, Effect]], top: float, x: Callable[[float], float]
) -> None:
    for place, (_, first, second, effect) in enumerate(rows):
        y = top + _ROW * (place + 0.5)
        name = first if rows[0][0] == "ladder" else f"{first} over {second}"
        drawing.text(10, y + 4, name if len(name) <= 56 else f"{name[:55]}…")
        ends = [end for end in effect.lead_interval if np.isfinite(end)]
        if ends:
            drawing.line(x(ends[0]), y, x(ends[1]), y, width=1.5)
        drawing.square(x(effect.lead), y, _COLOURS[effect.claim], effect.claim != "no conclusion")
        drawing.text(max(map(x, [*ends, effect.lead])) + 8, y + 4, signed(effect.lead, 3))
