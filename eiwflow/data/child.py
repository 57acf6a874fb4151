"""Facts of a data set, read in a process of its own, which ends with its parent; the parent bounds its memory and time.

The request comes on standard input, the answer goes to standard output; both are written by this package alone.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

from .. import sandbox
from .images import DataError, reason
from .registry import load


def main() -> None:
    """Read the data set that the request names; write its facts, or the exception that says why they cannot be had."""
    arguments = pickle.load(sys.stdin.buffer)
    sandbox.end_with_the_asker()
    try:
        answer: tuple[bool, Any] = True, load(**arguments, download=False).facts
    except DataError as error:  # the parent raises it
        answer = False, error
    except OSError as error:
        answer = False, DataError(f"{arguments['name_or_path']!r} cannot be read: {reason(error)}")
    sys.stdout.buffer.write(b"\n" + pickle.dumps(answer))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
