"""Every error as `application/problem+json` (RFC 9457), whoever raised it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from jobyard.api.desks.jobs import MOST_JOBS
from jobyard.api.known import LISTS
from jobyard.errors import (
    Internal,
    InvalidFileId,
    InvalidHash,
    InvalidJobId,
    InvalidPath,
    InvalidPathParameters,
    InvalidProviderName,
    InvalidQueryParam,
    InvalidQueryParameters,
    InvalidRequest,
    InvalidWorkerId,
    JobyardError,
    LimitInvalid,
    LimitTooLarge,
    MethodNotAllowed,
    NotFound,
)
from jobyard.spec import naming
from jobyard.wire.problems import problem_object

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES = {
    "namespace": (InvalidPath, "the namespace of a dataset", naming.DATASET_SPACE_RULE),
    "name": (InvalidPath, "the name of a dataset", naming.DATASET_RULE),
    "revision": (InvalidPath, "a revision of a dataset", naming.REVISION_RULE),
    "table_name": (InvalidPath, "the name of a table", naming.TABLE_RULE),
    "provider_name": (InvalidProviderName, "the name of a provider", naming.PROVIDER_RULE),
}
"""Parts of a path that are names: the error that a wrong one is, what it should be, its grammar."""
MEDIA_TYPE = "application/problem+json"


def problem(error: JobyardError, instance: str, headers: dict[str, str] | None = None) -> Response:
    """Answer with an error; ``instance`` is the path that was asked."""
    body = json.dumps(problem_object(error, instance), ensure_ascii=False, default=str)
    return Response(body.encode("utf-8", "replace"), error.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have an app answer with problems whatever goes wrong inside its routes."""

    @app.exception_handler(JobyardError)
    async def ours(request: Request, error: JobyardError) -> Response:
        return problem(error, request.url.path)

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers) if error.headers else None
        return problem(_translated(error, request), request.url.path, headers)

    @app.exception_handler(RequestValidationError)
    async def of_parameters(request: Request, error: RequestValidationError) -> Response:
        return problem(_of_parameters(error.errors(), request), request.url.path)


def _translated(error: HTTPException, request: Request) -> JobyardError:
    path, method = request.url.path, request.method
    if error.status_code == NotFound.status:
        return NotFound(f"there is nothing at {path}", hint="/openapi.json lists every path")
    if error.status_code == MethodNotAllowed.status:
        allowed = (error.headers or {}).get("Allow", "")
        return MethodNotAllowed(f"{path} has no {method}", hint=f"it has {allowed}")
    if error.status_code < Internal.status:
        return InvalidRequest(str(error.detail))
    return Internal("the server failed", hint="its log says how")


def _of_parameters(errors: Sequence[Any], request: Request) -> JobyardError:
    """Name every parameter that is wrong; the list of jobs has codes of its own."""
    for found in errors:
        if found["loc"][0] == "path":
            return _of_path(found["loc"][-1], str(found["input"]))
    listing = (request.method, request.url.path) == ("GET", "/jobs")
    if listing and len(errors) == 1 and errors[0]["loc"][-1] == "limit":
        text = str(errors[0]["input"]).strip()
        if text.removeprefix("-").isdecimal():
            limit = int(text)
            kind = LimitTooLarge if limit > MOST_JOBS else LimitInvalid
            return kind(limit, MOST_JOBS)
    told = [_told(found) for found in errors]
    names = ", ".join(str(found["loc"][-1]) for found in errors)
    of_a_list = (request.method, request.url.path) in LISTS
    kind_of_all = InvalidQueryParameters if of_a_list else InvalidQueryParam
    return kind_of_all("; ".join(told), parameter=names)


def _of_path(name: str, text: str) -> JobyardError:
    if name == "worker_id":
        return InvalidWorkerId(text)
    if name == "revision_id":
        return InvalidPathParameters(text)
    if name == "file_id":
        return InvalidFileId(text)
    if name == "manifest_hash":
        return InvalidHash(text)
    if name in _NAMES:
        kind, what, rule = _NAMES[name]
        return kind(f"`{text}` is not {what}", hint=rule, value=text)
    return InvalidJobId(text, "an event" if name == "event_id" else "a job")


def _told(found: Any) -> str:
    name = found["loc"][-1]
    if found["type"] == "missing":
        return f"{name} is missing"
    return f"{name} is `{found['input']}`: {found['msg'].removeprefix('Input ')}"
