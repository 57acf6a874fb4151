"""Pure functions from analysis results to pictures: plotly figures, and HTML or PNG where pixels count."""
