"""A measure in a process of its own, with bounds on memory and time; it ends with its parent.

The request comes on standard input, the answer goes to standard output; both are written by this package alone.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

from .. import sandbox
from . import progress
from .subjects import MEASURES


def main() -> None:
    """Run the measure that the request names; write the result, or the exception."""
    look, name, choices, most_bytes, most_s, threads = pickle.load(sys.stdin.buffer)
    sandbox.bound(most_bytes, most_s)
    sandbox.end_with_the_asker()
    import torch

    torch.set_num_threads(threads)
    progress.watch(progress.Progress(changed=lambda now: _say(b"%d %d\n" % (now.done, now.total))))
    try:
        answer: tuple[bool, Any] = True, MEASURES[name].of(look, **choices)
    except Exception as error:  # the parent raises it
        answer = False, error
    _say(b"\n" + pickle.dumps(answer))


def _say(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
