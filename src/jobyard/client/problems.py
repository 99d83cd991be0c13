"""From a server's problem back to the error that it was."""

from __future__ import annotations

import json
from typing import Any

from jobyard.errors import (
    Internal,
    InvalidDocument,
    JobyardError,
    Problem,
    ServerUnreachable,
    family,
)

_OURS = ("type", "title", "status", "detail", "error_code", "error_message", "instance", "hint")
_GATEWAYS = (502, 503, 504)


def error_of(status: int, content: bytes, url: str) -> JobyardError:
    """Make the error that an answer tells of; a stranger's answer becomes one of ours too."""
    try:
        body = json.loads(content)
        code, detail = str(body["error_code"]), str(body["detail"])
    except (ValueError, KeyError, TypeError):
        if status in _GATEWAYS:
            return ServerUnreachable(f"{url} answers with status {status}", url=url)
        return Internal(f"{url} answers with status {status}, and not as Jobyard does", url=url)
    kind = _BY_CODE.get(code, JobyardError)
    # The leaves' own constructors make the detail from facts; here both are known already.
    error = kind.__new__(kind)
    fields = {name: value for name, value in body.items() if name not in _OURS}
    if isinstance(error, InvalidDocument):
        error.problems = [_problem(found) for found in fields.pop("errors", ())]
        error.source = fields.get("source")
        error.more = fields.pop("more", 0)
    JobyardError.__init__(error, detail, hint=body.get("hint"), **_plain(fields))
    return error


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name.isidentifier()}


def _problem(found: dict[str, Any]) -> Problem:
    return Problem(
        str(found.get("path", "")),
        str(found.get("detail", "")),
        str(found.get("code", "Invalid")),
        found.get("line"),
        found.get("value"),
        found.get("legal"),
    )


_BY_CODE = {kind.code: kind for kind in family()}
