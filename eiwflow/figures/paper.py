"""The leads of a study as a vector figure for a paper: plain SVG or PDF, drawn without a browser."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from html import escape

import numpy as np

from ..analysis.words.numbers import signed
from ..study.file import Study
from ..study.report import GROUPS, leads
from . import palette

#: Claim -> colour of its square, and whether it is filled.
_CLAIMS = {"ahead": (palette.ARMS[0], True), "behind": (palette.ARMS[3], True)}
_NAMES, _WIDTH, _ROW, _TOP, _BELOW, _SIZE, _LETTERS = 400, 760, 26, 34, 44, 11, 76


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
    """Return every lead of a study once, with its interval: a filled square is claimed, an empty one is not."""
    groups = leads(study, subject)
    shown = [effect for effects in groups.values() for effect in effects]
    ends = [0.0, *(end for effect in shown for end in (effect.low, effect.high, effect.lead) if np.isfinite(end))]
    low, high = min(ends), max(ends)
    drawing = Drawing(_NAMES + _WIDTH - 240, _BELOW + _TOP * len(groups) + _ROW * len(shown))

    def x(value: float) -> float:
        return _NAMES + 10 + (_WIDTH - 320) * (value - low) / ((high - low) or 1)

    y = 0.0
    for group, effects in groups.items():
        drawing.text(10, y + 22, GROUPS[group], bold=True)
        y += _TOP
        drawing.line(x(0), y, x(0), y + _ROW * len(effects), "#8C8C8C")
        for effect in effects:
            middle = y + _ROW / 2
            drawing.text(10, middle + 4, textwrap.shorten(effect.name, _LETTERS, placeholder=" …"))
            if np.isfinite(effect.low):
                drawing.line(x(effect.low), middle, x(effect.high), middle, width=1.5)
            drawing.square(x(effect.lead), middle, *_CLAIMS.get(effect.claim, (palette.ARMS[4], False)))
            right = effect.high if np.isfinite(effect.high) else effect.lead
            drawing.text(x(right) + 8, middle + 4, signed(effect.lead, 3))
            y += _ROW
    drawing.text(x((low + high) / 2), y + 18, "lead in bits/dim, paired by seed", "middle")
    drawing.text(x((low + high) / 2), y + 33, "line: 95 % interval; filled: claimed after correction", "middle")
    return drawing
