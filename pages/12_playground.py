"""Playground: a flow that learns in the visitor's own tab, full screen."""

from eiwflow.ui.stage import playground

playground.page()
