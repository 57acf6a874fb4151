"""The command ``streamlit`` with presets that take seconds and, in the short form, pages that measure few images.

To time the presets as they are takes a server 11 CPU seconds, as they are here 4; Likelihood measures for 7.
"""

import os

from streamlit.web import cli

from eiwflow.ui.jobs import presets

from .. import LONG
from ..few import use_few_images

#: For the child, too, in which the server times the presets.
SHORT_PRESETS = f"""
from eiwflow.training.presets import PRESETS
for preset in PRESETS.values():
    preset.update(PRESETS["minute"], steps=1, width=8, iterations={os.environ.get("ITERATIONS", 6)}, batch=4)
"""

if __name__ == "__main__":
    if not LONG:
        use_few_images()
    exec(SHORT_PRESETS)
    presets._TIME = SHORT_PRESETS + presets._TIME
    if os.environ["TIMED"] != "True":
        presets.TIMING_BYTES = 2**60  # as where there is no room for the child
    cli.main(prog_name="streamlit")
