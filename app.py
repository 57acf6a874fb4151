"""Home: the first scene of the lesson running, and the ways on."""

import streamlit as st

from eiwflow.ui import landing, protection, routes, server

if __name__ == "__main__":
    landing.page()
else:
    # The server imports this file as it starts, and runs it for every visitor.
    app = st.App(
        __file__,
        lifespan=server.while_the_server_runs,
        middleware=protection.middleware(),
        routes=routes.routes(),
    )
