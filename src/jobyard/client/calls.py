"""Requests and answers without the sending: what both clients say, and how they understand it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypedDict
from urllib.parse import quote

import httpx

from jobyard.client.problems import error_of
from jobyard.errors import Internal, InvalidRequest, InvalidSetting, ServerUnreachable
from jobyard.spec.references import reference

if TYPE_CHECKING:
    from jobyard.client.shapes import Job

Object: TypeAlias = dict[str, Any]
"""A job, an attempt, an event or a worker as docs/reference/openapi.json describes it."""

Document: TypeAlias = "str | bytes | Path | Mapping[str, Any]"
"""YAML or JSON text, the path of a file of it, or a mapping."""

CONNECT_PATIENCE = 5.0
_JSON = "application/json"
PATIENCE = 60.0
"""Seconds to wait for an answer; submitting a large document takes the longest."""
LONG_PATIENCE = 3600.0
"""Seconds to wait for what takes as long as there is much of it: a prune of a million jobs."""
NEARBY = "http://127.0.0.1:1610"
"""The server of this machine, as `jobyard solo` starts it."""
PAUSES = (0.1, 0.4)
"""Seconds before a call is sent again: enough for a server that is started anew to listen."""
NEXT_OFFSET = "Jobyard-Next-Offset"
DELETED_COUNT = "Jobyard-Deleted-Count"
FIRST_LOOK, SLOWEST_LOOK = 0.02, 1.0
"""Seconds between looks at a job that is waited for: they grow from one to the other."""


class Call(NamedTuple):
    """One request."""

    method: str
    path: str
    params: Mapping[str, Any] = {}
    content: bytes | None = None
    headers: Mapping[str, str] = {}
    patience: float = PATIENCE


class Filters(TypedDict, total=False):
    """Which jobs; a filter that is left out or None leaves none out."""

    name: str | None
    namespace: str | None
    labels: Sequence[str]
    """Each ``key=value`` or ``key!=value``; all must hold."""
    trigger: str | None
    worker_id: str | None
    workflow_id: int | None
    dataset: str | None
    """``namespace/name``."""
    created_after: str | None
    """RFC 3339 with a zone."""


class Repair(TypedDict, total=False):
    """How blocks are to be extracted; what is left out is as the server has it."""

    parallelism: int
    worker_id: str | None
    """An id, or the beginning of ids and one ``*``."""
    verify: bool | float
    """Whether every block is proved in full, or which share of them."""
    providers: Sequence[str]
    layout: Mapping[str, Any]
    """How files are laid out: ``file_bytes``, ``compression``, ``compact``, ..."""


class Deployment(Repair, total=False):
    """How a dataset is to be extracted."""

    start_block: int
    """The first block, not below the manifest's, which it is if nobody says."""
    end_block: str | int | None
    """The last block: a number, ``latest``, ``-n`` for n below the head; None follows the head."""
    batch_blocks: int
    """Blocks that SQL is evaluated for at once, of a dataset that is made of others."""


class Stretch(NamedTuple):
    """A part of an attempt's output, and where the next part begins."""

    data: bytes
    next_offset: int


def read(path: str, **params: Any) -> Call:
    """Ask for something; parameters that are None are left out."""
    return Call("GET", path, _given(params))


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None, and write the rest as the server reads it."""
    plural = {"labels": "label"}
    return {
        plural.get(name, name): _written(value)
        for name, value in params.items()
        if value is not None
    }


def _written(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, (str, int)) else list(value)


def of_worker(worker_id: str, verb: str = "") -> str:
    """Name the path of a worker, or of a change to it."""
    return f"/workers/{quote(worker_id, safe='')}{verb and '/' + verb}"


def change(path: str, **params: Any) -> Call:
    """Ask for a change that needs few more words than its path."""
    return Call("PUT", path, _given(params))


def submission(
    document: Document, *, executor: str | None = None, idempotency_key: str | None = None
) -> Call:
    """Hand in a document."""
    kind, content = _body(document)
    headers = {"Content-Type": kind}
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return Call("POST", "/jobs", _given({"executor": executor}), content, headers)


def application(document: Document, *, rerun: bool, executor: str | None) -> Call:
    """Hand in a document that says how things are to be."""
    kind, content = _body(document)
    params = _given({"rerun": rerun, "executor": executor})
    return Call("POST", "/apply", params, content, {"Content-Type": kind})


def post(path: str, body: Mapping[str, Any]) -> Call:
    """Hand in a JSON object; what is None in it is left out."""
    content = json.dumps({name: value for name, value in body.items() if value is not None})
    return Call("POST", path, content=content.encode(), headers={"Content-Type": _JSON})


def lengthy(path: str, **body: Any) -> Call:
    """Have something done that takes as long as there is much of it."""
    return post(path, body)._replace(patience=LONG_PATIENCE)


def of_table(dataset: str, table_name: str, **more: str) -> Mapping[str, Any]:
    """Name a table in a body, with what else it says."""
    return {"dataset": str(reference(dataset)), "table_name": table_name, **more}


def quoted(name: str) -> str:
    """Write a name as a part of a path."""
    return quote(name, safe="")


def below(path: str, name: str) -> str:
    """Name the path of what has a name below another path."""
    return f"{path}/{quoted(name)}"


def of_dataset(dataset: str) -> str:
    """Name the path of a dataset, ``namespace/name``."""
    place = reference(dataset)
    return f"/datasets/{place.namespace}/{place.name}"


def of_revision(dataset: str, noun: str = "") -> str:
    """Name the path of a revision, or of something of it."""
    revision = quote(reference(dataset).revision, safe="")
    return f"{of_dataset(dataset)}/versions/{revision}{noun and '/' + noun}"


def registration(dataset: str, manifest: Mapping[str, Any] | str, version: str | None) -> Call:
    """Have a dataset mean a manifest."""
    place = reference(dataset)
    body = {
        "namespace": place.namespace, "name": place.name, "manifest": manifest, "version": version,
    }  # fmt: skip
    return post("/datasets", body)


def merge(path: str, changes: Mapping[str, Any]) -> Call:
    """Ask for some fields to be changed."""
    headers = {"Content-Type": "application/merge-patch+json"}
    return Call("PATCH", path, content=json.dumps(changes).encode(), headers=headers)


def removal(path: str) -> Call:
    """Ask for one thing to be deleted."""
    return Call("DELETE", path)


def removals(path: str, **params: Any) -> Call:
    """Ask for all that match to be deleted, however many they are."""
    return Call("DELETE", path, _given(params), patience=LONG_PATIENCE)


def _body(document: Document) -> tuple[str, bytes]:
    """Give the bytes of a document, and what they are; the server tells YAML from JSON itself."""
    if isinstance(document, Mapping):
        return "application/json", json.dumps(document).encode()
    unknown = "application/octet-stream"
    if isinstance(document, Path):
        return unknown, document.read_bytes()
    return unknown, document.encode() if isinstance(document, str) else document


def introduction(token: str | None) -> dict[str, str]:
    """Say in a header who speaks, if anybody asks."""
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def harmless(call: Call, error: httpx.TransportError) -> bool:
    """Tell whether a call that ended in ``error`` may be sent again.

    Reading changes nothing, however often it is done; and what was never sent did nothing.
    """
    if isinstance(error, httpx.TimeoutException):
        return False
    return call.method == "GET" or isinstance(error, httpx.ConnectError)


def only(jobs: list[Job]) -> Job:
    """Take the one job of an answer.

    Raises:
        InvalidRequest: the document had several.
    """
    if len(jobs) != 1:
        raise InvalidRequest(f"the document made {len(jobs)} jobs, not one", hint="use submit_all")
    return jobs[0]


def jobs_in(answer: Object) -> list[Job]:
    """Take the jobs from the answer to a submission, one job on its own included."""
    jobs: list[Job] = answer.get("jobs", [answer])
    return jobs


def counted(response: httpx.Response) -> int:
    """Take the number of deleted jobs from the answer to a prune.

    Raises:
        JobyardError: the server answered with a problem.
    """
    told(response)
    return int(response.headers.get(DELETED_COUNT, 0))


def told(response: httpx.Response) -> str:
    """Take the text of an answer whose body is read.

    Raises:
        JobyardError: the server answered with a problem.
    """
    if response.is_success:
        return response.text
    raise error_of(response.status_code, response.content, str(response.url))


def understood(response: httpx.Response) -> Any:
    """Take the JSON of an answer whose body is read.

    Raises:
        JobyardError: the server answered with a problem.
    """
    text = told(response)
    try:
        return json.loads(text)
    except ValueError as error:
        raise Internal(f"{response.url} answers with something else than JSON") from error


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
