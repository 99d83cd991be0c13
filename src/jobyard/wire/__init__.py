"""The JSON shapes that api, client, channel and the command line share."""
