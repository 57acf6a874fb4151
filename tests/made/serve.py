"""The command ``streamlit`` with presets and studies of seconds; in the short form pages measure few images."""

import os
from functools import partialmethod

from streamlit.web import cli

from eiwflow.study.recipe import StudyRecipe
from eiwflow.training.presets import PRESETS

from .. import LONG
from ..few import use_few_images

if __name__ == "__main__":
    if not LONG:
        use_few_images()
    for preset in PRESETS.values():
        iterations = int(os.environ.get("ITERATIONS", 6))
        preset.update(PRESETS["minute"], steps=1, width=8, iterations=iterations, batch=4)
    StudyRecipe.__init__ = partialmethod(StudyRecipe.__init__, levels=2, steps=1, width=8, batch=8)
    cli.main(prog_name="streamlit")
