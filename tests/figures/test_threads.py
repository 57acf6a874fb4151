"""Figures are drawn by many threads at once."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys, threading, time
import numpy, plotly.graph_objects as go

half_way = threading.Event()

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas.core":
            half_way.set()
            time.sleep(2)

sys.meta_path.insert(0, Slow())
threading.Thread(target=__import__, args=("pandas",)).start()
half_way.wait()
from eiwflow.figures import palette
go.Scatter(x=numpy.arange(3))
print("drawn")
"""


def test_a_figure_is_drawn_while_another_thread_imports_pandas() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.stdout == "drawn\n", done.stderr
