"""The command ``streamlit`` with presets of seconds, not timed, and, in the short form, pages that measure few images.

To time the presets takes a server 11 CPU seconds, and Likelihood measures for 7.
"""

import os

from streamlit.web import cli

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
    cli.main(prog_name="streamlit")
