"""Facts of a data set, read in a process of its own with bounds on memory and time; it ends with its parent.

The request comes on standard input, the answer goes to standard output; both are written by this package alone.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

from .. import sandbox
from .registry import load


def main() -> None:
    """Read the data set that the request names; write its facts, or the exception, or nothing where memory ends."""
    arguments, most_bytes, most_s = pickle.load(sys.stdin.buffer)
    sandbox.bound(most_bytes, most_s)
    sandbox.end_with_the_asker()
    try:
        answer: tuple[bool, Any] = True, load(**arguments, download=False).facts
    except MemoryError:
        return
    except Exception as error:  # the parent raises it
        answer = False, error
    sys.stdout.buffer.write(b"\n" + pickle.dumps(answer))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
