"""The only door to randomness: names of workers and sessions, tokens, jitter."""

from __future__ import annotations

import random
import secrets
import socket

_RANDOM = random.SystemRandom()


def session() -> str:
    """Draw a name that no other worker session has: 16 hex digits."""
    return secrets.token_hex(8)


def worker_id() -> str:
    """Draw the default id of a worker, ``<host>-<random>``."""
    return f"{socket.gethostname()}-{secrets.token_hex(3)}"


def token() -> str:
    """Draw a secret for one attempt's channel."""
    return secrets.token_urlsafe(18)


def name_suffix() -> str:
    """Draw the five letters that ``generateName`` appends."""
    return "".join(_RANDOM.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))


def fraction() -> float:
    """Draw a number from 0 (included) to 1 (excluded), for jitter."""
    return _RANDOM.random()
