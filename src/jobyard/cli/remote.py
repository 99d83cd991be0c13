"""Read what lies elsewhere: an object of a store, or what a web server answers."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from jobyard.errors import FileUnreadable
from jobyard.spec.document import too_large

PATIENCE = 30.0
"""Seconds without a byte after which a web server is given up; manifests are small."""
PIECE = 1 << 16


def read_remote(url: str, limit: int) -> bytes:
    """Read an address, ``http(s)://`` or one of an object store; not a byte more than ``limit``.

    Raises:
        FileUnreadable: it cannot be read.
        TooLarge: it has more than ``limit`` bytes.
    """
    web = url.startswith(("http://", "https://"))
    content = _from_the_web(url, limit) if web else _from_a_store(url, limit)
    if len(content) > limit:
        raise too_large(limit)
    return content


def _from_the_web(url: str, limit: int) -> bytes:
    import httpx

    content = bytearray()
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=PATIENCE) as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes(PIECE):
                content += piece
                if len(content) > limit:
                    break
    except httpx.HTTPStatusError as error:
        raise _unreadable(url, f"the server answers {error.response.status_code}") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise _unreadable(url, str(error) or type(error).__name__) from error
    return bytes(content)


def _from_a_store(url: str, limit: int) -> bytes:
    import pyarrow as pa
    from pyarrow import fs

    try:
        store, path = fs.FileSystem.from_uri(url)
        with store.open_input_stream(path) as stream:
            content: bytes = stream.read(limit + 1)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(url, str(error)) from error
    return content


def _unreadable(url: str, why: str) -> FileUnreadable:
    """Say which address it is, without what may be a key in it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    shown = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return FileUnreadable(f"{shown} cannot be read: {why}", hint="is the address right?")
