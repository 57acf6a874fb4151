"""The guided lesson: the data that its stage in the browser draws, the bundled stage, and the lesson as one file."""
