"""What is printed: a result as JSON; and beside it, on standard error, sentences, and progress as a bar."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..files import without_controls

#: Seconds between two prints of a bar without a terminal.
LINE_S = 30.0

Progress = Callable[[int, float], None]
#: What a command returns: its object and its text.
Result = tuple[dict[str, Any], str]


def say(text: str) -> None:
    """Print a sentence above a progress bar, without commands to the terminal."""
    from tqdm import tqdm

    tqdm.write(without_controls(text), file=sys.stderr)
    sys.stderr.flush()


def as_json(result: Any, **layout: Any) -> str:  # noqa: ANN401 (whatever JSON can hold)
    """Return a result as JSON, with null for a number that JSON has not, such as the standard error of one image."""
    return json.dumps(_finite(result), allow_nan=False, **layout)


def _finite(value: Any) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def bar(unit: str, shown: bool = True, whole: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Yield a function of (how many more are done, total) that moves a bar, on a terminal alone.

    With ``whole`` it takes how many are done, not how many more.
    """
    from tqdm import tqdm

    with tqdm(unit=unit, disable=not (shown and sys.stderr.isatty())) as drawn:

        def move(count: int, total: int) -> None:
            drawn.total = total
            drawn.update(count - drawn.n if whole else count)

        yield move


@contextmanager
def training_progress(begun: int, total: int, quiet: bool) -> Iterator[Progress]:
    """Yield a function of (step, bits/dim) that moves a bar; without a terminal it is printed every half minute.

    Args:
        begun: the step at which the training starts or resumes; rates count from it.
        total: steps in all.
        quiet: print nothing without a terminal.

    """
    from tqdm import tqdm

    on_terminal = sys.stderr.isatty()
    pause_s = 0.1 if on_terminal else LINE_S
    with tqdm(
        initial=begun, total=total, unit="step", mininterval=pause_s, maxinterval=2 * pause_s,
        disable=quiet and not on_terminal,
    ) as bar:  # fmt: skip

        def move(step: int, bits: float) -> None:
            bar.set_postfix_str(f"{bits:.3f} bits/dim", refresh=False)
            bar.update(step - bar.n)

        yield move
