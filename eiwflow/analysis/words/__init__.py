"""The sentences about what was measured."""
