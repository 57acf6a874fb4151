"""The front page and the lesson's stage."""
