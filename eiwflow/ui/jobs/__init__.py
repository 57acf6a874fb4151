"""Runs and studies: the lists of them, and the forms that begin, watch and stop them."""
