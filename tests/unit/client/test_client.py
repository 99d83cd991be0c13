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
    def below(kind: type[errors.JobyardError]) -> list[type[errors.JobyardError]]:
        return [leaf for sub in kind.__subclasses__() for leaf in (sub, *below(sub))]

    kinds = below(errors.JobyardError)
    codes = [kind.code for kind in kinds if kind.__module__ == errors.__name__]

    assert len(codes) == len(set(codes))


def test_the_problems_of_a_document_come_back_with_their_places() -> None:
    problem = errors.Problem("jobs[1].name", "is wrong", "Invalid", 4, "B!", "letters")
    content = json.dumps(problem_object(errors.InvalidDocument([problem]))).encode()

    found = error_of(400, content, "http://x")

    assert isinstance(found, errors.InvalidDocument)
    assert found.problems == [problem]


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
