"""Sources of what pages show: checkpoints, data sets, cached results, and notes on what is missing."""
