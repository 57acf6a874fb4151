"""A class: how to join it."""

from eiwflow.ui import shell as ui
from eiwflow.ui.classroom import view

ui.begin("Join the class", "Class", needs_checkpoint=False)
view.page()
