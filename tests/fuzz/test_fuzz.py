"""No input does harm: at every entry point it is taken, or refused in one sentence, fast, small, and without a trace.

The short form tries the named regressions that are made at once and some hundreds of spoilt inputs. The long form tries
all of them, and at least 10,000 spoilt inputs:

    EIWFLOW_TESTS=long python -m pytest tests/fuzz

An input may cost 2 s of processor time and 512 MiB beyond what the process holds when it comes in. Opening a file to
write, starting a process, a socket, and unpickling are seen by an audit hook, whatever the answer.
"""

from __future__ import annotations

import math
import resource
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from .. import LONG
from .entry_points import ENTRY_POINTS
from .guard import SECONDS, answer
from .regressions import MARK, REGRESSIONS

#: Inputs in all, over all entry points.
INPUTS = 10_000 if LONG else 270
EACH = math.ceil(INPUTS / len(ENTRY_POINTS))
#: Regression inputs that take seconds to make are for the long form, but for one of each kind.
SLOW = (
    "WebP",
    "JPEG",
    "as much",
    "in grey",
    "with transparency",
    "GIF",
    "metrics of",
    "status of",
    "title of",
    "inflates",
    "one line of",
    "config of",
    "colour numbers",
    "just too large",
)
NAMED = [
    (entry, name)
    for entry, regressions in REGRESSIONS.items()
    for name in regressions
    if LONG or not any(word in name for word in SLOW)
]
#: Address space beyond what is taken at the start: an entry point that asks for more must not take the machine with it.
SPACE = 6 * 2**30


@pytest.fixture(scope="module", autouse=True)
def bounded() -> Iterator[None]:
    """Keep the process from taking the machine's memory; nothing that was unpickled lies about before or after."""
    MARK.unlink(missing_ok=True)
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SPACE, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
    assert not MARK.exists()


def knocked(entry: str, given: object, folder: Path) -> tuple[bool, float, float]:
    """Return the guard's answer to an input, in a folder that is empty before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    way = ENTRY_POINTS[entry]
    return answer(way.knock(given, folder), way.refusals, folder if way.writes else None)


@pytest.mark.parametrize(("entry", "name"), NAMED)
def test_a_regression_input_does_no_harm(entry: str, name: str, tmp_path: Path) -> None:
    knocked(entry, REGRESSIONS[entry][name](), tmp_path / "place")
    assert not MARK.exists()


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_a_mutated_input_does_no_harm(entry: str, tmp_path: Path) -> None:
    answers: Counter[bool] = Counter()
    worst = [0.0, 0.0]

    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(ENTRY_POINTS[entry].inputs)
    def knock(given: object) -> None:
        taken, seconds, mib = knocked(entry, given, tmp_path / "place")
        answers[taken] += 1
        worst[:] = max(worst[0], seconds), max(worst[1], mib)

    knock()
    print(
        f"{entry}: {sum(answers.values())} inputs, {answers[True]} taken, at most {worst[0]:.2f} s, {worst[1]:.0f} MiB"
    )
    assert sum(answers.values()) >= min(EACH, 20)
    assert worst[0] <= SECONDS


# ---------------------------------------------------------------------- the guard itself


def unpickle() -> None:
    import pickle

    from .regressions import pickled

    pickle.loads(pickled()).close()


def too_much_memory() -> None:
    len(b"x" * (600 * 2**20))


def write_somewhere() -> None:
    MARK.write_text("")


@pytest.mark.parametrize(
    ("harm", "said"), [(unpickle, "side effects"), (too_much_memory, "MiB"), (write_somewhere, "side effects")]
)
def test_the_guard_detects_harm(harm: object, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        answer(harm, ())
    MARK.unlink(missing_ok=True)


def test_the_guard_accepts_only_expected_errors_of_one_sentence() -> None:
    def fail(error: Exception) -> None:
        raise error

    with pytest.raises(KeyError):
        answer(lambda: fail(KeyError("x")), (ValueError,))
    with pytest.raises(AssertionError, match="not one sentence"):
        answer(lambda: fail(ValueError("a\nb")), (ValueError,))
    assert answer(lambda: fail(ValueError("A sentence.")), (ValueError,))[0] is False
