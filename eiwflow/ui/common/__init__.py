"""Shared by all rooms: choices in the URL, untrusted text, long texts, and the shelves of uploads."""
