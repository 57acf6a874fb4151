"""Studies: every arm trained with every seed, the statistics of their differences, and a verdict."""
