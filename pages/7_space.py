"""Space, of older versions: its links lead to Latents."""

import streamlit as st

carried = st.query_params.to_dict()
moving = st.query_params.get_all("moving")
for level in range(1, 7):
    carried[f"z{level}"] = "go to B" if not moving or str(level) in moving else "keep"
    if (temperature := carried.pop(f"t{level}", None)) is not None:
        carried.setdefault("temperature", temperature)
carried.pop("moving", None)
st.switch_page("pages/2_latents.py", query_params={"t": "0.5", **carried})
