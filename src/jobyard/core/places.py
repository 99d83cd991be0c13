"""Names of places for files: paths of this machine, and addresses such as ``s3://bucket/path``."""

from __future__ import annotations


def is_address(place: str) -> bool:
    """Tell whether a place is an address, and not a path of this machine."""
    return "://" in place


def below(place: str, *names: str) -> str:
    """Name a place below another one; what an address says behind ``?`` stays at its end."""
    if not is_address(place):
        return "/".join((place.rstrip("/") or "", *names))
    path, mark, options = place.partition("?")
    return "/".join((path.rstrip("/"), *names)) + mark + options
