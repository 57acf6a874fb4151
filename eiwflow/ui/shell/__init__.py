"""The shell of every page: its frame, and the parts that pages are made of."""
