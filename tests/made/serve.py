"""The command ``streamlit`` with presets and studies of seconds; in the short form pages measure few images.

The presets are not timed. To time them takes a server 11 CPU seconds; Likelihood measures for 7, a study takes 12.
"""

import os
from functools import partialmethod

from streamlit.web import cli

from eiwflow.study.recipe import StudyRecipe
from eiwflow.ui.jobs import presets

from .. import LONG
from ..few import use_few_images

#: Lines that give the presets a size of seconds, also in the child that times them.
SHORT_PRESETS = f"""
from eiwflow.training.presets import PRESETS
for preset in PRESETS.values():
    preset.update(PRESETS["minute"], steps=1, width=8, iterations={os.environ.get("ITERATIONS", 6)}, batch=4)
"""

if __name__ == "__main__":
    if not LONG:
        use_few_images()
    exec(SHORT_PRESETS)
    presets.TIMING_BYTES = 2**60  # as where there is no room for the child
    StudyRecipe.__init__ = partialmethod(StudyRecipe.__init__, levels=2, steps=1, width=8, batch=8)
    cli.main(prog_name="streamlit")
