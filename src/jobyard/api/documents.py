"""Documents that come in a request's body: how they are written, how large they may be."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request

from jobyard.api.desks.jobs import Syntax
from jobyard.errors import InvalidDocument, InvalidRequest, Problem, RequestTimeout, TooLarge
from jobyard.spec.document import read

MOST_BODY = 64 * 1024 * 1024
"""Bytes of the largest document."""
PATIENCE = 120.0
"""Seconds within which a body is here: the largest one over 5 Mbit/s."""

_SYNTAX: dict[str, Syntax] = {
    "application/json": "json",
    "application/merge-patch+json": "json",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "text/x-yaml": "yaml",
}
ANY_DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A job object, a document with `jobs:`, or a Kubernetes Job or List.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}

CHANGES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Fields of the application document that may change, with new values.",
        "content": {
            "application/merge-patch+json": {"schema": {"type": "object"}},
            "application/json": {"schema": {"type": "object"}},
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}


def syntax_of(request: Request) -> Syntax:
    """Tell from its content type how a body is written; whatever else it says, we look."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _SYNTAX.get(media_type, "auto")


async def body_of(request: Request) -> bytes:
    """Read a body, no further than the limit and no longer than our patience.

    Raises:
        InvalidRequest: it is compressed.
        TooLarge: it has more bytes than the limit.
        RequestTimeout: it is not here in time.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidRequest("the body is compressed", hint="send it as it is")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MOST_BODY:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_BODY:
                    raise _too_large()
    except TimeoutError as error:
        raise RequestTimeout(f"the body did not arrive within {PATIENCE:g}s") from error
    return bytes(body)


def _too_large() -> TooLarge:
    return TooLarge(
        f"the body has more than {MOST_BODY:,} bytes", hint="submit it in parts", limit=MOST_BODY
    )


def one_mapping(document: bytes, syntax: Syntax) -> dict[str, Any]:
    """Read a body that is one mapping and nothing else.

    Raises:
        InvalidDocument: it is not.
    """
    documents = read(document, syntax=syntax)
    value = documents[0].value if len(documents) == 1 else None
    if not isinstance(value, dict):
        raise InvalidDocument([Problem("$", "must be one mapping of fields", legal="a mapping")])
    return value
