"""Home: a flow to touch, and the ways to lesson, playground and pages."""

import streamlit as st

from eiwflow.ui.server import lifespan, protection, routes
from eiwflow.ui.stage import landing

if __name__ == "__main__":
    landing.page()
else:
    # The server imports this file as it starts, and runs it for every visitor.
    lifespan.check_settings()
    app = st.App(
        __file__, lifespan=lifespan.while_the_server_runs, middleware=protection.middleware(), routes=routes.routes()
    )
