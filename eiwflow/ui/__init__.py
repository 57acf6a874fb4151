"""The only part, besides app.py and pages/, that knows Streamlit: frame, shared choices, exports."""
