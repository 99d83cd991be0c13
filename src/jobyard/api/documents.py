"""Documents that come in a request's body: how they are written, how large they may be."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request

from jobyard.api.desks.jobs import Syntax
from jobyard.errors import (
    InvalidDocument,
    InvalidRequest,
    JobyardError,
    Problem,
    RequestTimeout,
)
from jobyard.spec.document import Limits, read, too_large

PATIENCE = 120.0
"""Seconds within which a body is here: 64 MiB over 5 Mbit/s."""

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
            "application/yaml": {"schema": {"type": "object"}},
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
            "application/yaml": {"schema": {"type": "object"}},
        },
    }
}


def syntax_of(request: Request) -> Syntax:
    """Tell from its content type how a body is written; whatever else it says, we look."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _SYNTAX.get(media_type, "auto")


async def body_of(request: Request, limit: int) -> bytes:
    """Read a body, no further than ``limit`` bytes and no longer than our patience.

    Raises:
        InvalidRequest: it is compressed.
        TooLarge: it has more bytes than the limit.
        RequestTimeout: it is not here in time.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidRequest("the body is compressed", hint="send it as it is")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.stream():
                body += piece
                if len(body) > limit:
                    raise too_large(limit)
    except TimeoutError as error:
        raise RequestTimeout(f"the body did not arrive within {PATIENCE:g}s") from error
    return bytes(body)


def described_body(schema: dict[str, Any], about: str, *, required: bool = True) -> dict[str, Any]:
    """Describe a body that is one mapping, for OpenAPI."""
    content = {"application/json": {"schema": schema}}
    body = {"required": required, "description": about, "content": content}
    return {"requestBody": body}


async def mapping_of(
    request: Request, limits: Limits, wrong: type[JobyardError], *, empty: bool = False
) -> dict[str, Any]:
    """Read a body that is one mapping; ``empty`` says that nothing at all is an empty one.

    Raises:
        JobyardError: it is not; it is one of the kind ``wrong``.
        TooLarge: it has more bytes than the limit.
    """
    body = await body_of(request, limits.size)
    if empty and not body.strip():
        return {}
    try:
        return one_mapping(body, syntax_of(request), limits)
    except InvalidDocument as error:
        if issubclass(wrong, InvalidDocument):
            raise wrong(error.problems, more=error.more) from error
        raise wrong(f"{error}: {error.problems[0]}", hint="the body is one JSON object") from error


def one_mapping(document: bytes, syntax: Syntax, limits: Limits) -> dict[str, Any]:
    """Read a body that is one mapping and nothing else.

    Raises:
        InvalidDocument: it is not.
    """
    documents = read(document, syntax=syntax, limits=limits)
    value = documents[0].value if len(documents) == 1 else None
    if not isinstance(value, dict):
        raise InvalidDocument([Problem("$", "must be one mapping of fields", legal="a mapping")])
    return value
