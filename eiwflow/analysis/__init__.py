"""What can be said of a flow: scores, traces, entropies, comparisons. Knows neither Streamlit nor plotly."""
