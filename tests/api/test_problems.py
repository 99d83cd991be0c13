"""Whatever goes wrong is told in one form, and strangers are not told anything."""

from __future__ import annotations

import asyncio
import http.client
from typing import TYPE_CHECKING, Any, NoReturn, cast

import httpx
import pytest

from jobyard import app
from jobyard.api.app import make_app
from jobyard.api.serve import Server
from jobyard.errors import InvalidSetting, StoreUnavailable

if TYPE_CHECKING:
    from tests.api.conftest import Serving

    from jobyard.store.base import LogStore, Store

MEMBERS = {"type", "title", "status", "detail", "error_code", "error_message", "instance"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) >= MEMBERS
    assert (body["status"], body["error_code"]) == (status, code)


def test_an_unknown_path_is_a_problem(http: httpx.Client) -> None:
    for path in ("/nope", "/jobs/", "/jobs/1/nope", "/"):
        assert_problem(http.get(path), 404, "NOT_FOUND")


def test_an_unknown_method_is_a_problem_and_names_the_known_ones(http: httpx.Client) -> None:
    answer = http.post("/jobs/1/stop")

    assert_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "PUT"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"), (b"", "application/json"), (b"", "text/plain"),
        (b"[1]", "application/json"), (b"null", "application/json"), (b"a: [", "text/yaml"),
        (b"\xff\xfe", "text/plain"), (b'{"a": 1, "a": 2}', "application/json"),
        (b"[" * 100_000, "application/json"), (b"&a [*a]", "text/yaml"),
    ],
)  # fmt: skip
def test_a_document_that_makes_no_sense_is_a_problem(
    http: httpx.Client, content: bytes, content_type: str
) -> None:
    answer = http.post("/jobs", content=content, headers={"content-type": content_type})

    assert_problem(answer, 400, "INVALID_DOCUMENT")
    assert answer.json()["errors"]


def test_a_compressed_body_is_refused(http: httpx.Client) -> None:
    answer = http.post("/jobs", content=b"x", headers={"content-encoding": "gzip"})

    assert_problem(answer, 400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:1610", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"]
)
def test_a_request_for_another_host_is_refused(http: httpx.Client, host: str) -> None:
    assert_problem(http.get("/jobs", headers={"host": host}), 403, "FORBIDDEN")


@pytest.mark.parametrize("host", ["localhost", "localhost:99", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_every_loopback_name_is_let_in(http: httpx.Client, host: str) -> None:
    assert http.get("/jobs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://[", "http://localhost:9", "http://127.0.0.1"]
)
def test_a_page_of_another_site_is_refused(http: httpx.Client, origin: str) -> None:
    job = {"name": "a", "command": ["x"]}

    answer = http.post("/jobs", json=job, headers={"origin": origin})

    assert_problem(answer, 403, "FORBIDDEN")
    assert http.get("/jobs").json()["jobs"] == []


def test_a_page_of_this_server_is_let_in(http: httpx.Client, still: Serving) -> None:
    assert http.get("/jobs", headers={"origin": still.url}).status_code == 200


def test_a_request_without_a_host_is_refused(still: Serving) -> None:
    connection = http.client.HTTPConnection(still.url.removeprefix("http://"))
    connection.putrequest("GET", "/jobs", skip_host=True)
    connection.endheaders()
    try:
        assert connection.getresponse().status in (400, 403)
    finally:
        connection.close()


def test_answers_are_not_guessed_at_nor_kept(http: httpx.Client) -> None:
    for path in ("/jobs", "/nope"):
        headers = http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


class _Broken:
    """A store of which every promise fails with the same error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*args: Any, **named: Any) -> NoReturn:
            raise self._error

        return fail


def ask(store: object, path: str) -> httpx.Response:
    async def work() -> httpx.Response:
        served = make_app(cast("Store", store), cast("LogStore", store))
        transport = httpx.ASGITransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(work())


def test_a_bug_is_told_without_what_it_is_about() -> None:
    answer = ask(_Broken(RuntimeError("the password is 1234")), "/jobs/1")

    assert_problem(answer, 500, "INTERNAL")
    assert "1234" not in answer.text


def test_a_store_that_is_away_is_told_as_such() -> None:
    store = _Broken(StoreUnavailable("the database is away"))

    assert_problem(ask(store, "/jobs"), 503, "STORE_UNAVAILABLE")
    assert_problem(ask(store, "/readyz"), 503, "STORE_UNAVAILABLE")
    assert ask(store, "/healthz").json() == {"status": "ok"}


def test_a_server_with_a_store_is_ready(http: httpx.Client) -> None:
    assert http.get("/readyz").json() == {"status": "ok"}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_a_server_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(InvalidSetting, match="will not listen"):
        Server(None, host, 0)


def test_a_port_that_is_taken_is_told_as_such(still: Serving) -> None:
    port = int(still.url.rpartition(":")[2])

    with pytest.raises(InvalidSetting, match=f"port {port}"):
        Server(None, "127.0.0.1", port)


def test_the_description_names_every_route_and_only_our_own_problems(http: httpx.Client) -> None:
    described = http.get("/openapi.json").json()

    assert set(described["paths"]) == {
        "/jobs", "/jobs/{job_id}", "/jobs/{job_id}/progress", "/jobs/{job_id}/stop",
        "/jobs/{job_id}/cancel", "/jobs/{job_id}/suspend", "/jobs/{job_id}/resume",
        "/jobs/{job_id}/attempts", "/jobs/{job_id}/events", "/jobs/{job_id}/events/{event_id}",
        "/jobs/{job_id}/explain", "/jobs/{job_id}/logs", "/jobs/{job_id}/logs/stream",
        "/jobs/stream", "/jobs/{job_id}/retry", "/apply", "/metrics",
        "/workers", "/workers/{worker_id}", "/workers/{worker_id}/drain",
        "/workers/{worker_id}/resume", "/healthz", "/readyz",
        "/datasets", "/datasets/{namespace}/{name}", "/datasets/{namespace}/{name}/versions",
        *(f"/datasets/{{namespace}}/{{name}}/versions/{{revision}}{below}"
          for below in ("", "/manifest", "/deploy", "/jobs", "/rematerialize", "/restore",
                        "/tables/{table_name}/restore")),
        "/manifests", "/manifests/{manifest_hash}", "/manifests/{manifest_hash}/datasets",
        "/providers", "/providers/{provider_name}", "/schema", "/files/{file_id}",
        "/revisions", "/revisions/deactivate",
        *(f"/revisions/{{revision_id}}{below}"
          for below in ("", "/files", "/activate", "/restore", "/truncate", "/prune")),
    }  # fmt: skip
    for methods in described["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                assert int(status) < 400 or list(answer["content"]) == ["application/problem+json"]
            assert "403" in operation["responses"]


@pytest.mark.parametrize("worker_id", ["", "a b", "-a", "a*", "é", "a" * 254, "a/b"])
def test_what_no_worker_can_be_called_is_refused_to_workers_and_askers(
    http: httpx.Client, still: Serving, worker_id: str
) -> None:
    with pytest.raises(InvalidSetting, match="cannot be the id"):
        app.worker_settings(still.settings, worker_id=worker_id)
    if worker_id and "/" not in worker_id:
        assert_problem(http.get(f"/workers/{worker_id}"), 400, "INVALID_WORKER_ID")
