"""Sources of the pages: checkpoints, data sets, and cached results."""
