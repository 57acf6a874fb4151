"""Training: the recipe, the trainer, the run directory, the history."""
