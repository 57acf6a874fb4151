"""The queue of a class, left as it was found."""

import time

from eiwflow.ui.jobs import queue as queues


def close_queue(queue: queues.Queue) -> None:
    """End the tickets of a queue and wait for its thread, which would read the settings of the next test."""
    patience = time.monotonic() + 60
    while (thread := queue._thread) is not None and thread.is_alive():
        assert time.monotonic() < patience
        for left in queue._tickets:
            left.state = queues.ENDED
        thread.join(0.02)
    queue._tickets.clear()
