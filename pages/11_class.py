"""A class: how to join it, and the lesson that it follows."""

import streamlit as st

from eiwflow.ui import access
from eiwflow.ui import shell as ui
from eiwflow.ui.classroom import view

ui.open_page("Join the class", "Class")
if access.settings().classroom:
    label = "Start the lesson" if access.may_change() else "Go to the lesson"
    if ui.controls().button(label, type="primary"):
        st.switch_page("pages/0_lesson.py")
view.page()
