"""The server around the pages: protection, routes, the front page's HTML, and the start and end of the server."""
