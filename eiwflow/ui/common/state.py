"""Choices that all pages share. They live in the URL, so a copied link shows the same page.

Streamlit drops the key of a widget that a page does not draw, and strips keys bound to the URL from links to other
pages. So a shared choice has a second key, ``"_" + key``, that survives. Quick moves of a widget come with the URL of
an earlier run, so the URL wins only if it differs from our last writing and the widget has not moved. The URL is always
written in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from .untrusted import plain

Option = TypeVar("Option")
#: Choices of things that may be deleted or forgotten while a page shows them.
MAY_GO = ("ck", "photo", "run", "study")


def choice(
    key: str, options: Sequence[Option], default: Option, draw: Callable[[int], Option], name: str = ""
) -> Option:
    """Draw a shared choice and return its value, one of ``options``.

    Arguments:
        key: in the URL and of the widget that ``draw`` draws (which passes no value of its own).
        options: the choices; a range is not iterated.
        default: without a value in the URL or the session.
        draw: draws the widget and returns its value. It takes the place of the value in ``options`` for the widget's
            default: a run that a click ended early may not have sent what it wrote, and a popover makes its widgets
            as it opens.
        name: of the choice in a sentence, by default the key.

    """
    value, by_url = _asked(key, options, default, name)
    _put(key, value, options)
    drawn = draw(options.index(value))
    _keep(key, drawn, by_url)
    return drawn


def clamped_choice(key: str, options: range, visible: range, default: int, draw: Callable[[], object]) -> int:
    """Draw a shared number of which this page shows the first few; return the wanted number, visible or not.

    Arguments:
        key: in the URL and of the widget that ``draw`` draws over ``visible``.
        options: the choices on any page.
        visible: the first options, which this page can show.
        default: without a value in the URL or the session.
        draw: draws the widget.

    """
    on_screen = f"_shown_{key}"
    # An unmoved widget keeps the wanted value, also where the page cannot show it.
    wanted, by_url = _asked(key, options, default, key, visible=st.session_state.get(on_screen))
    _keep(key, wanted, by_url)
    st.session_state[on_screen] = min(wanted, visible[-1])
    _put(key, st.session_state[on_screen], visible)
    draw()
    return wanted


def hidden_choice(key: str, options: Sequence[Option], default: Option, name: str = "") -> Option:
    """Return a shared choice that no widget shows; :func:`set_choice` changes it."""
    value, by_url = _asked(key, options, default, name)
    st.session_state[key] = value
    _keep(key, value, by_url)
    return value


def set_choice(key: str, value: object) -> None:
    """Set a shared choice from a callback, before the next run."""
    st.session_state[key] = st.session_state["_" + key] = value
    _answer_url(key)


def read_again(key: str) -> None:
    """Let the present value of a choice in the URL count as a new one."""
    st.session_state.get("_url", {}).pop(key, None)


def forget_choice(key: str) -> None:
    """Forget a shared choice from a callback: the chosen thing was removed."""
    st.session_state.pop(key, None)
    st.session_state.pop("_" + key, None)
    _answer_url(key)


def drop(key: str) -> None:
    """Remove a single page's parameter from the URL, from a callback."""
    st.query_params.pop(key, None)


def _answer_url(key: str) -> None:
    """Mark the present value of a choice in the URL as answered."""
    st.session_state["_url"] = st.session_state.get("_url", {}) | {key: st.query_params.get(key)}


def wanted(key: str) -> str | None:
    """Return the value in the URL or the session, available or not; None without either."""
    url = st.query_params.get(key)
    if url is not None and url != st.session_state.get("_url", {}).get(key):
        return url
    kept = st.session_state.get(key, st.session_state.get("_" + key))
    return None if kept is None else str(kept)


def say_notes(place: DeltaGenerator) -> None:
    """Name, once, the things that were asked for and are not here."""
    for sentence in st.session_state.pop("_notes", []):
        place.info(sentence)


def write_url(values: dict[str, str]) -> dict[str, str]:
    """Write these shared choices to the URL; return the parameters for links to other pages."""
    # Parameters of other parts of the page remain. A move may end this run as soon as the URL is written.
    st.session_state["_url"] = st.session_state.get("_url", {}) | values
    if any(st.query_params.get(key) != text for key, text in values.items()):
        st.query_params.update(values)
    # Choices that only other pages draw are carried along.
    return st.query_params.to_dict()


def write_unusual(key: str, value: str, usual: str) -> None:
    """Write a page's own choice to the URL, the usual one only over another: a new address is a step of Back."""
    if value != usual or key in st.query_params:
        write_url({key: value})


def _put(key: str, value: object, *choices: Sequence[object]) -> None:
    """Make a widget of these choices show a value.

    A widget of the run before, with the same choices and this value, is not written: that would undo a move made
    meanwhile. On another page, or with other choices, the widget is new and has no value.
    """
    context = get_script_run_ctx()
    page = context.page_script_hash if context else ""
    here = (page, *(some if isinstance(some, range) else tuple(some) for some in choices))
    stood = st.session_state.setdefault("_stood", {})
    if stood.get(key) != here or key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    stood[key] = here


def _keep(key: str, value: object, by_url: bool) -> None:
    """Keep the value of a choice. The URL that asked for it is answered, also if this run ends before it is written."""
    st.session_state["_" + key] = value
    if by_url:
        _answer_url(key)


def _asked(
    key: str, options: Sequence[Option], default: Option, name: str, visible: object = None
) -> tuple[Option, bool]:
    """Return the wanted option: of the widget if it was moved, else of the URL, else the surviving value.

    The second value is whether the URL has a new value, available or not.

    A surviving value, or a ``visible`` value in place of a hidden one, is no move.
    """
    survived = st.session_state.get("_" + key, st.session_state.get(key, default))
    if (there := st.session_state.get(key, survived)) not in (visible, survived) and there in options:
        return there, False
    url, written = st.query_params.get(key), st.session_state.get("_url", {}).get(key)
    by_url = url is not None and url != written
    wanted = _find(options, url) if url is not None and by_url else None
    value = survived if wanted is None else wanted
    chosen = value if value in options else default
    gone = url if wanted is None and by_url else value if value not in options and key in MAY_GO else None
    if gone is not None:
        sentence = f"The {plain(name or key)} “{plain(gone, 60)}” is not here: showing {plain(chosen)}."
        st.session_state.setdefault("_notes", []).append(sentence)
    return chosen, by_url


def _find(options: Sequence[Option], text: str) -> Option | None:
    if isinstance(options, range):
        # A range finds an integer at once, but iterates for any other value.
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1
        return cast("Option", number) if number in options else None
    return next((option for option in options if str(option) == text), None)
