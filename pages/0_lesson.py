"""Lesson: the guided tour, full screen."""

from eiwflow.ui.stage import lesson

lesson.page()
