"""The sentences about measures."""
