"""What tests of several folders make or start."""
