"""Lesson: the guided tour, full screen."""

from eiwflow.ui import lesson

lesson.page()
