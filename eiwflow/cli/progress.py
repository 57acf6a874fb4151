"""What is printed: a result as JSON; and beside it, on standard error, sentences, and progress as a bar or as lines."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..files import without_controls

#: Seconds between two lines.
LINE_S = 30.0

Progress = Callable[[int, float], None]


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


class Lines:
    """Prints the step of a training, every half minute and at the end.

    Args:
        begun: the step at which this training starts or resumes.
        total: steps in all.
        batch: images a step.

    """

    def __init__(self, begun: int, total: int, batch: int) -> None:
        self._step, self._total, self._batch, self._time = begun, total, batch, time.monotonic()
        self._first = True

    def __call__(self, step: int, bits: float) -> None:
        """Record a step, and print a line if it is time."""
        now = time.monotonic()
        if self._first and step < self._total:
            # Rates count from this step on: the first step also waits for the flow to be built and data to be read.
            self._first, self._step, self._time = False, step, now
        if now - self._time < LINE_S and step < self._total:
            return
        rate = (step - self._step) / max(now - self._time, 1e-9)
        print(
            f"step {step:,} of {self._total:,}, {bits:.3f} bits/dim, {rate * self._batch:,.0f} images/s, "
            f"{duration((self._total - step) / rate) if rate else 'no estimate'} left",
            file=sys.stderr,
            flush=True,
        )
        self._step, self._time = step, now


def duration(seconds: float) -> str:
    """Return a time in the two largest units that it has.

    >>> duration(59.6), duration(3725), duration(180000)
    ('1 min 0 s', '1 h 2 min', '2 d 2 h')

    """
    whole = round(seconds)
    for unit, smaller, size, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {smaller}"
    return f"{whole} s"


@contextmanager
def training_progress(begun: int, total: int, batch: int, quiet: bool) -> Iterator[Progress]:
    """Yield a function of (step, bits/dim) that moves a bar on a terminal, and prints lines elsewhere.

    Args:
        begun: the step at which the training starts or resumes; rates count from it.
        total: steps in all.
        batch: images a step.
        quiet: print no lines.

    """
    if not sys.stderr.isatty():
        yield (lambda step, bits: None) if quiet else Lines(begun, total, batch)
        return
    from tqdm import tqdm

    with tqdm(initial=begun, total=total, unit="step") as bar:

        def move(step: int, bits: float) -> None:
            bar.update(step - bar.n)
            bar.set_postfix_str(f"{bits:.3f} bits/dim", refresh=False)

        yield move
