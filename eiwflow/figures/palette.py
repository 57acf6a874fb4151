"""The colours that mean the same on every page (Okabe–Ito), readable on light and on dark."""

from __future__ import annotations

KEPT = "#0072B2"
EMITTED = "#D55E00"
#: Colours of neither half: first the subject, then the reference.
SUBJECT = "#009E73"
REFERENCE = "#8C8C8C"
#: Colours of arms, the subject first; all differ from the colours of the halves. Their contrast with a white and a dark
#: page is at least 3:1, unlike that of Okabe–Ito's orange and sky blue, and they are distinct for colour-blind readers.
#: By lightness alone they are hard to tell apart, so each arm has a dash and a symbol too.
ARMS = (SUBJECT, "#827F11", "#A97CF0", "#AE459A", "#646464")
#: Lines of axes, and letters of exported figures: a grey for white and for black pages. Letters of a chart on a page
#: have the page's colour.
AXIS, LETTERS = "rgba(128, 128, 128, 0.35)", "#767676"
#: The background of hover labels, under white letters; page.css has the same.
TIP = "#16202B"
