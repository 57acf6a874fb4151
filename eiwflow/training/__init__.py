"""Training: the recipe, the trainer, the run directory, the history.

A setting out of its bounds is a ``ConfigError``, a run that cannot be used a ``RunError``, one that stops a
``TrainingFailed``; each message is one sentence.
"""
