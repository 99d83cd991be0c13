"""The typed HTTP client that the command line and users share."""

from jobyard.client.asynchronous import AsyncClient
from jobyard.client.blocking import Client

__all__ = ["AsyncClient", "Client"]
