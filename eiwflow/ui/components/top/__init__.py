"""Scrolls a page to its top, where a run that was just started is shown."""

from .. import declare

_component = declare("top", "<span></span>")


def to_top(key: str) -> None:
    """Scroll to the top, once for each key."""
    _component(key=f"top-{key}", data=key)
