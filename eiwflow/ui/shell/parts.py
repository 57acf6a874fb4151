"""The common parts of pages: columns, folds, takeaways, charts, tables, exports, and the closing."""

from __future__ import annotations

import csv
import io
import math
import pickle
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from html import escape
from threading import Lock
from typing import Any, TypeVar

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.mutable_expander_container import ExpanderContainer

from ...analysis.levels import NoPartsError
from ...analysis.words.checkpoint import split, start
from ...analysis.words.numbers import counted, fixed
from ...figures import kit, steps
from ...flow import NonFiniteError
from ..access import navigation
from ..common import glossary, texts
from ..common.untrusted import plain
from ..sources import cache, store
from ..sources.visit import Page, Visit

Result = TypeVar("Result")
#: Results by view, for the flows side by side.
Results = dict[Page, Any]

#: Letters from which a table's cell wraps.
LONG_CELL = 40
#: Of the page that a session draws: the places of its takeaway and of controls, and its name.
_PLACES = "_places"
#: The key of the folded part of a page, for tests.
MORE_EVIDENCE = "more-evidence"
#: Media types of exported files.
BYTES = "application/octet-stream"
KINDS = {"csv": "text/csv", "gif": "image/gif", "npz": BYTES, "eiw": BYTES}
#: No letter of a chart is smaller.
_LETTERS = {
    "axis": {"labelFontSize": kit.LETTERS, "titleFontSize": kit.LETTERS},
    "legend": {"labelFontSize": kit.LETTERS},
}
#: A lock around every use of plotly, which fails while another thread is importing pandas.
_PLOTLY = Lock()


def each(page: Page, draw: Callable[[Page], Result | None]) -> dict[Page, Result]:
    """Draw a page, or two compared pages side by side, by the same function; return the results that there are.

    A failure of a flow is a sentence in its column, without a result.
    """
    return _in_columns(side_by_side(page), draw)


def _in_columns(
    places: Iterable[tuple[Page, DeltaGenerator]], draw: Callable[[Page], Result | None]
) -> dict[Page, Result]:
    results: dict[Page, Result] = {}
    for column, place in places:
        with place, errors_as_sentences():
            if (result := draw(column)) is not None:
                results[column] = result
    return results


def draw_columns(
    page: Page, load: Callable[[Page], Result | None], draw: Callable[[Page, dict[Page, Result]], None]
) -> dict[Page, Result]:
    """Draw a page, or two compared pages side by side, on common axes; return the loaded results.

    Arguments:
        page: with its compared page, if any.
        load: called for each page in its column; returns None if there is nothing to draw.
        draw: called for each page with a result, with all results.

    """
    places = side_by_side(page)
    results = _in_columns(places, load)
    _in_columns([place for place in places if place[0] in results], lambda column: draw(column, results))
    return results


def folds(
    page: Page, results: Mapping[Page, Result], drawn: Mapping[str, Callable[[Page, dict[Page, Result]], None]]
) -> None:
    """Draw folds by their labels, the open ones with :func:`draw_columns`.

    The key of a fold is the name of its function.
    """
    for label, draw in drawn.items():
        with fold(label, draw.__name__.replace("_", "-")) as place:
            if place.open:
                draw_columns(page, results.get, draw)


def paired(results: Mapping[Page, Result]) -> dict[str, Result] | None:
    """Return the results of two checkpoints by their names, or None for a single checkpoint."""
    return {page.file.label: result for page, result in results.items()} if len(results) == 2 else None


def begin(label: str) -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Draw the places under a page's title; return those for complaints, controls, further controls, and thumbnails."""
    above, answer = st.container(), st.container(key="answer")
    with st.container(key="controls", horizontal=True, vertical_alignment="center"):
        line, more = st.container(key="line", horizontal=True, vertical_alignment="center"), st.popover("More")
    st.session_state[_PLACES] = answer.empty(), line, label.lower()
    with more:
        st.expander("Glossary").markdown(texts.text("glossary"))
        st.expander("About EIW-Flow").markdown(texts.text("about"))
    return above, line, more, st.container(key="image-strip")


def controls() -> DeltaGenerator:
    """Return the line of controls above the figure, for those of a page."""
    return st.session_state[_PLACES][1]


def takeaway(sentence: str, longest: str = "") -> None:
    """Show the takeaway of a page under its title; terms of the glossary are explained on hover.

    There is room for the ``longest`` sentence, so elements below do not move while it grows.
    """
    explained = glossary.annotate(sentence)
    st.session_state[_PLACES][0].html(
        f'<p class="eiw-takeaway" data-longest="{escape(longest)}"><span>{explained}</span></p>'
    )


def side_by_side(page: Page) -> list[tuple[Page, DeltaGenerator]]:
    """Return the page and its place, or both compared pages in columns under name and split.

    Both are drawn by the same functions, on common axes.
    """
    if page.other is None:
        return [(page, st.container())]
    both = list(zip((page, page.other), st.columns(2, gap="large"), strict=True))
    configs = [column.checkpoint.info.config for column, _ in both]
    sizes = [(start(config), counted(config.levels, "level"), counted(config.steps, "step")) for config in configs]
    for (column, place), config, size in zip(both, configs, sizes, strict=True):
        words = [f"given {column.given_factor} {column.given_label}"] if column.given_label else []
        words += [split(config), *(part for part, *others in zip(size, *sizes, strict=True) if len({*others}) > 1)]
        place.html(f'<p class="eiw-column"><b>{escape(column.file.label)}</b> {escape(", ".join(words))}</p>')
    return both


def shuffle_level(page: Page) -> int | None:
    """Return the wanted level, or the nearest with a Shuffle and say so; None without a Shuffle."""
    config = page.checkpoint.info.config
    levels = config.levels
    if not config.splits:
        return None
    if page.level >= levels:
        there = "is the last and has no Shuffle" if page.level == levels else "is not there"
        st.info(f"Level {page.level} {there}: showing level {levels - 1}.")
    return min(page.level, levels - 1)


def drawn(draw: Callable[..., go.Figure], *arguments: object, **named: object) -> go.Figure:
    """Return ``draw(*arguments, **named)``, cached for all visitors, since plotly checks every number of a figure.

    The figure is shared: do not change it.
    """
    # A pickle as a key, since not all results can be hashed; nothing is unpickled.
    return store.get("figure", (pickle.dumps((draw, arguments, named)),), lambda: _drawn(draw, arguments, named))


def _drawn(draw: Callable[..., go.Figure], arguments: tuple[object, ...], named: Mapping[str, object]) -> go.Figure:
    with _PLOTLY:
        figure = draw(*arguments, **named)
        finished = kit.finished(figure.to_dict())
    figure.to_dict = lambda: finished  # Streamlit then neither copies nor checks it again
    return figure


def chart(figure: go.Figure, page: Visit, what: str, alt: str, clicked: Callable[[str], None] | None = None) -> None:
    """Show a figure; its camera button saves it under that name.

    ``clicked`` is called when a point is clicked, with the chart's key in the session state.
    """
    suffix = "svg" if page.for_print else "png"
    config: dict[str, Any] = {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {
            "format": suffix,
            "filename": page.file_name(what.removeprefix("scrub-"), suffix).removesuffix(f".{suffix}"),
            "scale": 2,
        },
    }
    with _PLOTLY:
        if page.for_print:
            figure = _for_print(figure)
        key = page.key(what)
        select: dict[str, Any] = {}
        if clicked is not None:
            select = {"on_select": lambda: clicked(key), "selection_mode": "points"}
        st.plotly_chart(figure, key=key, width="stretch", theme=None, alt=alt, config=config, **select)


def _for_print(figure: go.Figure) -> go.Figure:
    """Return a figure in light colours on white."""
    return go.Figure(figure.to_dict()).update_layout(template="plotly_white", paper_bgcolor="white", font_color="black")


def chart_of_rows(rows: Sequence[Mapping[str, Any]], spec: dict[str, Any], key: str, alt: str, **more: Any) -> None:  # noqa: ANN401
    """Show rows by a description of Vega-Lite, which accepts new rows every second.

    Streamlit makes a data frame of them. Pandas takes 66 MiB, so no other function imports it.
    """
    with pandas_imported():
        st.vega_lite_chart(rows, {"config": _LETTERS, **spec}, key=key, width="stretch", alt=alt, **more)


@contextmanager
def pandas_imported() -> Iterator[None]:
    """Import pandas, which a chart of rows and a table that sorts need, while nobody uses plotly."""
    with _PLOTLY:
        import pandas  # noqa: F401
    yield


def more_evidence() -> ExpanderContainer:
    """Draw the last fold, which begins with the text on how to read the page; make its content only if ``open``."""
    more = st.expander("How to read this, numbers and commands", key=MORE_EVIDENCE, on_change="rerun")
    if more.open:
        more.markdown(texts.text(f"how-to-read-{st.session_state[_PLACES][2]}"))
    return more


def fold(label: str, key: str) -> ExpanderContainer:
    """Draw a fold of a page; make its content only if ``open``."""
    return st.expander(label, key=f"fold-{key}", on_change="rerun")


def caveat(sentence: str) -> None:
    """Show a caveat."""
    st.caption(f"**Caveat:** {sentence[:1].upper()}{sentence[1:]}")


def table(rows: Sequence[Mapping[str, Any]], pale: Collection[int] = ()) -> None:
    """Show rows as a table whose headings wrap; numbers have three decimals, a missing value is a dash.

    Words are aligned left, all else right. A narrow table scrolls, also by keys. Rows whose number is in ``pale`` are
    drawn so.
    """
    style = {name: "eiw-words" * all(str(row[name])[:1].isalpha() for row in rows) for name in rows[0]}
    heads = (f'<th scope="col" class="{style[name]}">{escape(name)}</th>' if name else "<td></td>" for name in rows[0])
    body = ""
    for place, row in enumerate(rows):
        texts = {name: _cell(value) for name, value in row.items()}
        looks = {name: f"{style[name]}{' eiw-long' * (len(text) > LONG_CELL)}" for name, text in texts.items()}
        cells = "".join(f'<td class="{looks[name]}">{escape(text)}</td>' for name, text in texts.items())
        body += f'<tr class="{"eiw-pale" * (place in pale)}">{cells}</tr>'
    label = escape(f"Table: {', '.join(filter(None, rows[0]))}")
    st.html(
        f'<div class="eiw-table" tabindex="0" role="group" aria-label="{label}">'
        f"<table><thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else fixed(value, 3)
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def exports(page: Visit, tables: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Offer tables by name as CSV; a file is made on a click."""
    offer(page, {f"{what}.csv": partial(_csv, rows) for what, rows in tables.items()})


def offer(page: Visit, files: dict[str, Callable[[], bytes]]) -> None:
    """Offer files by name; a file is made on a click."""
    with st.container(horizontal=True):
        for file, make in files.items():
            what, suffix = file.rsplit(".", 1)
            label, name = f"{what.capitalize()} ({suffix.upper()})", page.file_name(what, suffix)
            key = page.key(f"save-{what}-{suffix}")
            st.download_button(label, make, name, KINDS[suffix], key=key, on_click="ignore")


def offer_film(page: Page) -> None:
    """Offer the samples of a training, if any, as a GIF."""
    if samples := cache.samples_in_training(page):
        offer(page, {"samples.gif": lambda: steps.film_gif(samples)})


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def closing(page: Visit, sentence: str) -> None:
    """End the page with one sentence and a link to the next page."""
    st.markdown(sentence)
    if after := navigation.following(page.label):
        st.page_link(after.path, label=f"Next: {after.label}", query_params=page.links)


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Show a flow's failure on this image as a sentence, and continue the page."""
    try:
        yield
    except NoPartsError as error:
        st.info(f"{plain(error)} Choose a flow that splits.")
    except NonFiniteError as error:
        st.error(f"{plain(error)} Choose another image, seed or checkpoint.")
    except store.OverTimeError as error:
        st.error(plain(error))


def frozen(seconds: float) -> str:
    """Say that a process shows no sign of life, and how to continue."""
    return (
        f"No word for {seconds:.0f} s: the process hangs, was stopped, or its machine is asleep. "
        "Wait, or kill it: the last save stays."
    )
