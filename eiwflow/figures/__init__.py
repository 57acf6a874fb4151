"""Pure functions from analysis results to pictures: plotly figures, and HTML or PNG where pixels count."""

from contextlib import suppress

# Plotly looks for pandas among the modules that are imported, and fails while another thread is half-way through it.
with suppress(ImportError):
    import pandas  # noqa: F401
