"""HTTP: the desk where requests are taken, the routes that lead to it, and the server."""
