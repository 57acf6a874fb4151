"""Training: the recipe, the loop, the run directory, what is recorded."""
