"""Sources of the pages: checkpoints, data sets, cached results, and notes on missing things."""
