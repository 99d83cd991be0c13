"""Requests and answers without the sending: what both clients say, and how they understand it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import quote

from jobyard.client.problems import error_of
from jobyard.errors import Internal, InvalidRequest, InvalidSetting, ServerUnreachable

if TYPE_CHECKING:
    import httpx

Object: TypeAlias = dict[str, Any]
"""A job, an attempt, an event or a worker as docs/reference/openapi.json describes it."""

Document: TypeAlias = "str | bytes | Path | Mapping[str, Any]"
"""YAML or JSON text, the path of a file of it, or a mapping."""

TERMINAL = ("COMPLETED", "FAILED", "STOPPED", "CANCELED")
CONNECT_PATIENCE = 5.0
PATIENCE = 60.0
"""Seconds to wait for an answer; submitting a large document takes the longest."""
NEXT_OFFSET = "Jobyard-Next-Offset"
FIRST_LOOK, SLOWEST_LOOK = 0.02, 1.0
"""Seconds between looks at a job that is waited for: they grow from one to the other."""


class Call(NamedTuple):
    """One request."""

    method: str
    path: str
    params: Mapping[str, Any] = {}
    content: bytes | None = None
    headers: Mapping[str, str] = {}


class Stretch(NamedTuple):
    """A part of an attempt's output, and where the next part begins."""

    data: bytes
    next_offset: int


def read(path: str, **params: Any) -> Call:
    """Ask for something; parameters that are None are left out."""
    return Call("GET", path, {k: v for k, v in params.items() if v is not None})


def of_worker(worker_id: str, verb: str = "") -> str:
    """Name the path of a worker, or of a change to it."""
    return f"/workers/{quote(worker_id, safe='')}{verb and '/' + verb}"


def change(path: str) -> Call:
    """Ask for a change that needs no more words than its path."""
    return Call("PUT", path)


def submission(document: Document, idempotency_key: str | None) -> Call:
    """Hand in a document."""
    headers = {"Content-Type": "application/octet-stream"}
    if isinstance(document, Mapping):
        content = json.dumps(document).encode()
        headers["Content-Type"] = "application/json"
    elif isinstance(document, Path):
        content = document.read_bytes()
    else:
        content = document.encode() if isinstance(document, str) else document
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return Call("POST", "/jobs", content=content, headers=headers)


def only(jobs: list[Object]) -> Object:
    """Take the one job of an answer.

    Raises:
        InvalidRequest: the document had several.
    """
    if len(jobs) != 1:
        raise InvalidRequest(f"the document made {len(jobs)} jobs, not one", hint="use submit_all")
    return jobs[0]


def jobs_in(answer: Object) -> list[Object]:
    """Take the jobs from the answer to a submission, one job on its own included."""
    jobs: list[Object] = answer.get("jobs", [answer])
    return jobs


def understood(response: httpx.Response) -> Any:
    """Take the JSON of an answer whose body is read.

    Raises:
        JobyardError: the server answered with a problem.
    """
    if response.is_success:
        try:
            return response.json()
        except ValueError as error:
            raise Internal(f"{response.url} answers with something else than JSON") from error
    raise error_of(response.status_code, response.content, str(response.url))


def address(url: str) -> str:
    """Check a server's address.

    Raises:
        InvalidSetting: it is no http or https URL.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidSetting(
            f"`{url}` is no address of a server", hint="such as http://127.0.0.1:1610"
        )
    return url.rstrip("/")


def unreachable(url: str, error: Exception) -> ServerUnreachable:
    """Say that nobody answers."""
    return ServerUnreachable(
        f"no server answers at {url}: {str(error) or type(error).__name__}",
        hint="`jobyard solo` starts one; JOBYARD_URL says where it is",
        url=url,
    )
