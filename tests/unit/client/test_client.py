"""Both clients say the same, and understand whatever comes back."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import jobyard
from jobyard import errors
from jobyard.client import AsyncClient, Client
from jobyard.client.problems import error_of
from jobyard.wire.problems import problem_object

SOURCE = Path(jobyard.__file__).parents[1]


def _methods(kind: type) -> dict[str, str]:
    return {
        name: str(inspect.signature(member)).replace("Async", "")
        for name, member in vars(kind).items()
        if not name.startswith("_") and callable(member)
    }


def test_both_clients_have_the_same_methods_with_the_same_signatures() -> None:
    assert _methods(Client) == _methods(AsyncClient)


def test_the_clients_are_had_from_the_package_itself() -> None:
    assert jobyard.Client is Client
    assert jobyard.AsyncClient is AsyncClient


def test_importing_the_package_does_not_import_the_http_library() -> None:
    script = "import sys, jobyard; sys.exit('httpx' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(SOURCE)}, check=False
    )

    assert done.returncode == 0


MADE = [
    errors.JobNotFound(7),
    errors.AttemptNotFound(7),
    errors.WorkerNotFound("w"),
    errors.InvalidQueryParam("limit is 0", hint="from 1", parameter="limit"),
    errors.InvalidJobId("x"),
    errors.Forbidden("no"),
    errors.StateConflict("to stop", expected=("RUNNING",), actual="FAILED"),
    errors.IdempotencyConflict("k", 1),
    errors.TooLarge("big", limit=3),
    errors.StoreUnavailable("away"),
    errors.SchemaMismatch(9, 1),
    errors.Internal("bug"),
    errors.MethodNotAllowed("none"),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: error.slug)
def test_a_problem_becomes_the_error_that_it_was(error: errors.JobyardError) -> None:
    content = json.dumps(problem_object(error, "/x")).encode()

    found = error_of(error.status, content, "http://x")

    assert type(found) is type(error)
    assert (found.detail, found.hint, found.fields) == (error.detail, error.hint, error.fields)


def test_every_error_code_belongs_to_one_error() -> None:
    codes = [kind.code for kind in errors.family()]

    assert "EVENT_NOT_FOUND" in codes
    assert len(codes) == len(set(codes))


def test_the_problems_of_a_document_come_back_with_their_places() -> None:
    problem = errors.Problem("jobs[1].name", "is wrong", "Invalid", 4, "B!", "letters")
    error = errors.InvalidDocument([problem], more=7)
    content = json.dumps(problem_object(error)).encode()

    found = error_of(400, content, "http://x")

    assert isinstance(found, errors.InvalidDocument)
    assert (found.problems, found.more, found.detail) == ([problem], 7, error.detail)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"3", b'{"error_code": 1}'])
@pytest.mark.parametrize(
    ("status", "kind"), [(500, errors.Internal), (502, errors.ServerUnreachable)]
)
def test_a_stranger_in_between_is_told_as_one(
    content: bytes, status: int, kind: type[errors.JobyardError]
) -> None:
    assert type(error_of(status, content, "http://x")) is kind


def test_an_unknown_code_of_a_newer_server_is_still_an_error_of_ours() -> None:
    found = error_of(418, b'{"error_code": "NEW", "detail": "told"}', "http://x")

    assert type(found) is errors.JobyardError
    assert str(found) == "told"


def _free_url() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_nobody_at_the_address_is_an_unreachable_server() -> None:
    url = _free_url()

    with Client(url) as client, pytest.raises(errors.ServerUnreachable, match=url):
        client.job(1)
    with Client(url) as client, pytest.raises(errors.ServerUnreachable):
        list(client.logs(1))


def test_nobody_at_the_address_is_an_unreachable_server_for_the_other_client_too() -> None:
    async def ask() -> None:
        async with AsyncClient(_free_url()) as client:
            await client.job(1)

    with pytest.raises(errors.ServerUnreachable):
        asyncio.run(ask())


@pytest.mark.parametrize("url", ["", "localhost:1610", "ftp://x"])
def test_an_address_is_an_http_url(url: str) -> None:
    with pytest.raises(errors.InvalidSetting):
        Client(url)


def _answering(pages: list[dict[str, object]], asked: list[httpx.Request]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=pages[len(asked) - 1])

    return httpx.MockTransport(answer)


def test_jobs_are_walked_through_page_by_page() -> None:
    pages: list[dict[str, object]] = [
        {"jobs": [{"id": 3}, {"id": 2}], "next_cursor": 2},
        {"jobs": [{"id": 1}]},
    ]
    asked: list[httpx.Request] = []

    with Client("http://x", transport=_answering(pages, asked)) as client:
        found = [job["id"] for job in client.jobs(status="all", page_size=2)]

    assert found == [3, 2, 1]
    assert [request.url.params.get("last_job_id") for request in asked] == [None, "2"]


def test_a_document_of_several_jobs_is_not_submitted_as_one() -> None:
    pages: list[dict[str, object]] = [{"jobs": [{"id": 1}, {"id": 2}]}]

    with (
        Client("http://x", transport=_answering(pages, [])) as client,
        pytest.raises(errors.InvalidRequest),
    ):
        client.submit("jobs: []")


ASKED: list[tuple[str, tuple[object, ...], dict[str, object], str, str]] = [
    ("job", (7,), {}, "GET", "/jobs/7"),
    ("progress", (7,), {}, "GET", "/jobs/7/progress"),
    ("explain", (7,), {}, "GET", "/jobs/7/explain"),
    ("event", (7, 9), {}, "GET", "/jobs/7/events/9"),
    ("stop", (7,), {}, "PUT", "/jobs/7/stop"),
    ("cancel", (7,), {}, "PUT", "/jobs/7/cancel"),
    ("suspend", (7,), {}, "PUT", "/jobs/7/suspend"),
    ("resume", (7,), {}, "PUT", "/jobs/7/resume"),
    ("retry", (7,), {"indexes": "failed"}, "PUT", "/jobs/7/retry?indexes=failed"),
    ("patch", (7, {"priority": 3}), {}, "PATCH", "/jobs/7"),
    ("drain", ("a/b",), {}, "PUT", "/workers/a%2Fb/drain"),
    ("submit", ("name: x",), {"executor": "fake"}, "POST", "/jobs?executor=fake"),
    ("apply", ("name: x",), {"rerun": True}, "POST", "/apply?rerun=true"),
    (
        "jobs_page",
        (),
        {"labels": ["a=b", "c!=d"], "dataset": "n/x", "workflow_id": 3, "name": None},
        "GET",
        "/jobs?status=active&limit=50&label=a%3Db&label=c%21%3Dd&dataset=n%2Fx&workflow_id=3",
    ),
]


@pytest.mark.parametrize(("method", "args", "named", "verb", "target"), ASKED)
def test_a_method_is_one_request(
    method: str, args: tuple[object, ...], named: dict[str, object], verb: str, target: str
) -> None:
    asked: list[httpx.Request] = []
    transport = _answering([{"jobs": [{"id": 7}]}], asked)

    with Client("http://x", transport=transport) as client:
        getattr(client, method)(*args, **named)

    assert (asked[0].method, asked[0].url.raw_path.decode()) == (verb, target)


def test_a_prune_tells_how_many_went_and_asks_for_what_it_was_told() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(204, headers={"Jobyard-Deleted-Count": "12"})

    with Client("http://x", transport=httpx.MockTransport(answer)) as client:
        assert client.prune(older_than="7d", labels=["a=b"], dry_run=True) == 12
        assert client.delete(3) is None  # type: ignore[func-returns-value]

    assert [str(request.url) for request in asked] == [
        "http://x/jobs?status=terminal&older_than=7d&label=a%3Db&dry_run=true",
        "http://x/jobs/3",
    ]
    assert {request.method for request in asked} == {"DELETE"}
    # Deleting many takes its time, and whoever gave up would not know how many went.
    assert [request.extensions["timeout"]["read"] for request in asked] == [3600, 60]


def test_a_refused_deletion_is_an_error_and_no_number() -> None:
    problem = json.dumps(problem_object(errors.Conflict("job 3 is RUNNING"))).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(409, content=problem))

    with Client("http://x", transport=transport) as client:
        with pytest.raises(errors.Conflict):
            client.delete(3)
        with pytest.raises(errors.Conflict):
            client.prune()


def _listening(asked: list[httpx.Request]) -> httpx.MockTransport:
    return _answering([{"id": 1}, {"id": 1}], asked)


def test_a_token_is_shown_with_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[httpx.Request] = []

    with Client("http://x", token="said", transport=_listening(asked)) as client:
        client.job(1)
    monkeypatch.setenv("JOBYARD_TOKEN", "found")
    with Client("http://x", transport=_listening(asked)) as client:
        client.job(1)

    assert [request.headers["Authorization"] for request in asked] == [
        "Bearer said",
        "Bearer found",
    ]


def test_the_server_is_found_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().url == "http://127.0.0.1:1610"
    monkeypatch.setenv("JOBYARD_URL", "http://there:1/")
    assert Client().url == "http://there:1"
    assert Client("http://here").url == "http://here"


def _failing(error: httpx.TransportError, times: int, asked: list[str]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if len(asked) <= times:
            raise error
        return httpx.Response(200, json={"id": 1})

    return httpx.MockTransport(answer)


BROKEN = httpx.RemoteProtocolError("Server disconnected")
REFUSED = httpx.ConnectError("Connection refused")
SLOW = httpx.ReadTimeout("slow")


@pytest.mark.parametrize(
    ("method", "error", "times", "sent"),
    [
        ("job", BROKEN, 2, 3),
        ("job", REFUSED, 2, 3),
        ("stop", REFUSED, 2, 3),
        # Who knows what became of it.
        ("stop", BROKEN, 1, None),
        # Whoever does not answer within a minute does not answer the next time either.
        ("job", SLOW, 1, None),
        ("job", BROKEN, 3, None),
    ],
)
def test_only_what_can_do_no_harm_is_sent_again(
    method: str, error: httpx.TransportError, times: int, sent: int | None
) -> None:
    asked: list[str] = []

    async def ask() -> None:
        async with AsyncClient("http://x", transport=_failing(error, times, asked)) as client:
            await getattr(client, method)(1)

    if sent is None:
        with pytest.raises(errors.ServerUnreachable):
            asyncio.run(ask())
    else:
        asyncio.run(ask())
        assert len(asked) == sent


def test_the_measures_come_as_the_text_that_they_are() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="jobs 3\n"))

    with Client("http://x", transport=transport) as client:
        assert client.metrics() == "jobs 3\n"


def test_a_refused_document_reads_as_its_problems_in_a_program() -> None:
    problems = [errors.Problem(path=f"jobs[{n}].name", message="missing") for n in range(12)]

    told = str(errors.InvalidDocument(problems, more=3)).splitlines()

    assert told[:2] == ["15 problems", f"  {problems[0]}"]
    assert told[-1] == "  … and 5 more"
