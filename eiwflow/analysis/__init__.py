"""Measures of a flow: scores, traces, entropies, comparisons. Imports neither Streamlit nor plotly."""

#: Number of training images for the Gaussians of a stopped flow, and of test images for its averages.
REFERENCE_IMAGES, SURVEY_IMAGES = 128, 64
#: Number of the test image at the end of Space's path.
OTHER_IMAGE = 27
#: For a large flow: images of a group that Likelihood scores, and draws of every latent that Latents resamples.
FEW_A_GROUP, FEW_DRAWS = 16, 1
