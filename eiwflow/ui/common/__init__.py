"""Shared by all rooms: choices in the URL, text of strangers, long texts, and the shelf of uploads."""
