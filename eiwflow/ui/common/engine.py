"""Slow libraries, imported once: neither the server nor a page's first paint waits for them."""

from __future__ import annotations

import gc
import os

import streamlit as st


def import_what_is_slow() -> None:
    """Import torch, scipy and plotly, in about two seconds."""
    import scipy.stats  # noqa: F401

    from ... import checkpoint, figures  # noqa: F401
    from ...analysis import levels  # noqa: F401
    from ...training import run_directory  # noqa: F401


@st.cache_resource(show_spinner="Starting torch, once …")
def engine() -> None:
    """Import slow libraries, and exempt them from garbage collection."""
    import torch

    import_what_is_slow()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    gc.collect()
    gc.freeze()
