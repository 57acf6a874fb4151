"""Measures of a flow: scores, traces, entropies, comparisons. Imports neither Streamlit nor plotly."""

#: Training images that the Gaussians of a stopped flow are fitted on, and test images that its averages are over.
REFERENCE_IMAGES, SURVEY_IMAGES = 128, 64
#: Number of the test image that Space goes to.
OTHER_IMAGE = 24
#: Of a large flow: images that Likelihood scores of a group, and draws of what Latents resamples.
FEW_A_GROUP, FEW_DRAWS = 16, 1
