"""What programs do, seen through the API of a server with an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobyard.client import shapes
from jobyard.errors import AttemptNotFound, InvalidQueryParam, InvalidWorkerId, WorkerNotFound

if TYPE_CHECKING:
    import httpx

    from jobyard.client import Client

PATIENCE = 60


def shell(script: str, **fields: Any) -> dict[str, Any]:
    return {"name": "a", "command": ["sh", "-c", script], "backoff_limit": 0, **fields}


def finished(client: Client, spec: dict[str, Any]) -> shapes.Job:
    return client.wait(client.submit(spec)["id"], within=PATIENCE)


def printed(client: Client, job_id: int, **chosen: Any) -> bytes:
    return b"".join(client.logs(job_id, **chosen))


def test_a_job_is_run_and_its_output_is_kept_byte_for_byte(client: Client) -> None:
    job = finished(client, shell("printf 'a\\000\\377\\n'; printf e >&2; printf z"))

    assert job["status"] == "COMPLETED"
    assert len(printed(client, job["id"])) == 6
    assert printed(client, job["id"], stream="stdout") == b"a\0\xff\nz"
    assert printed(client, job["id"], stream="stderr") == b"e"


def test_a_failed_job_says_why(client: Client) -> None:
    job = finished(client, shell("exit 3"))
    attempts = list(client.attempts(job["id"]))

    assert (job["status"], job["reason"]) == ("FAILED", "BackoffLimitExceeded")
    assert [(a["status"], a["exit_code"], a["number"]) for a in attempts] == [("FAILED", 3, 1)]
    assert client.progress(job["id"])["detail"]["reason"] == "BackoffLimitExceeded"


def test_every_attempt_is_listed_and_can_be_read_alone(client: Client) -> None:
    job = finished(
        client,
        shell(
            "printf $JOB_COMPLETION_INDEX",
            completions=3,
            parallelism=1,
            completion_mode="Indexed",
        ),
    )
    attempts = list(client.attempts(job["id"]))

    assert [attempt["index"] for attempt in attempts] == [0, 1, 2]
    assert printed(client, job["id"]) == b"012"
    assert printed(client, job["id"], index=1) == b"1"
    assert printed(client, job["id"], attempt_id=attempts[2]["id"]) == b"2"
    assert printed(client, job["id"], attempt=1) == b"012"
    assert printed(client, job["id"], attempt=1, index=2) == b"2"


def test_attempts_come_in_pages(client: Client) -> None:
    job = finished(client, shell("", completions=3))

    first = client.attempts_page(job["id"], limit=2)
    rest = client.attempts_page(job["id"], after=first["next_cursor"])

    assert len(first["attempts"]) == 2
    assert len(rest["attempts"]) == 1
    assert "next_cursor" not in rest


def test_stretches_of_the_output_join_to_the_whole(client: Client) -> None:
    job = finished(client, shell("seq 1 40000; seq 1 1000 >&2"))
    (attempt,) = client.attempts(job["id"])
    whole = printed(client, job["id"])

    for stream in (None, "stderr"):
        offset, joined = 0, b""
        while True:
            part = client.log_stretch(
                job["id"], attempt["id"], offset=offset, limit=7001, stream=stream
            )
            joined += part.data
            if part.next_offset == offset:
                break
            offset = part.next_offset
        assert offset == len(whole)
        assert joined == printed(client, job["id"], stream=stream)


def test_an_offset_needs_one_attempt(client: Client, raw: httpx.Client) -> None:
    job = finished(client, shell(""))

    answer = raw.get(f"/jobs/{job['id']}/logs?offset=0")

    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_QUERY_PARAM"


def test_an_attempt_that_is_not_there_is_not_found(client: Client) -> None:
    job = finished(client, shell(""))
    other = finished(client, shell(""))
    (strange,) = client.attempts(other["id"])

    for chosen in ({"attempt": 9}, {"attempt_id": strange["id"]}):
        with pytest.raises(AttemptNotFound):
            printed(client, job["id"], **chosen)
    with pytest.raises(AttemptNotFound):
        client.log_stretch(job["id"], strange["id"], offset=0, limit=1)
    with pytest.raises(InvalidQueryParam):
        printed(client, job["id"], stream="stdin")


def test_a_running_job_is_stopped(client: Client) -> None:
    job = client.submit(shell("echo up; exec sleep 1000"))
    while not printed(client, job["id"]):
        assert client.job(job["id"])["status"] in ("SCHEDULED", "QUEUED", "RUNNING")

    assert client.stop(job["id"])["status"] in ("STOP_REQUESTED", "STOPPING", "STOPPED")
    stopped = client.wait(job["id"], within=PATIENCE)

    assert (stopped["status"], stopped["worker_id"]) == ("STOPPED", "w1")
    (attempt,) = client.attempts(job["id"])
    assert (attempt["status"], attempt["signal"]) == ("STOPPED", 15)


def test_stopping_a_completed_job_leaves_it_completed(client: Client) -> None:
    job = finished(client, shell(""))

    assert client.stop(job["id"])["status"] == "COMPLETED"


def test_waiting_has_an_end(client: Client) -> None:
    job = client.submit({**shell("true"), "suspend": True})

    with pytest.raises(TimeoutError, match="PENDING"):
        client.wait(job["id"], within=0.05)
    client.cancel(job["id"])


def test_workers_are_listed_drained_and_resumed(client: Client) -> None:
    (worker,) = client.workers()["workers"]

    assert worker["id"] == "w1"
    assert worker["slots"]["process"] == 2
    assert client.drain("w1")["draining"] is True
    assert client.worker("w1")["draining"] is True
    assert client.drain("w1", draining=False)["draining"] is False
    for strange, error in (("nobody", WorkerNotFound), ("a b?", InvalidWorkerId)):
        with pytest.raises(error):
            client.drain(strange)
    with pytest.raises(WorkerNotFound):
        client.worker("nobody")


def test_what_is_answered_has_the_members_that_types_promise(client: Client) -> None:
    job = finished(client, shell("exit 3"))
    progress = client.progress(job["id"])
    told = {
        shapes.Job: job,
        shapes.Attempt: next(iter(client.attempts(job["id"]))),
        shapes.Event: client.events(job["id"])["events"][0],
        shapes.WholeEvent: client.event(job["id"], client.events(job["id"])["events"][0]["id"]),
        shapes.Progress: progress,
        shapes.Completions: progress["completions"],
        shapes.Explanation: client.explain(job["id"]),
        shapes.ExplainedFailure: client.explain(job["id"])["last_failures"][0],
        shapes.Worker: client.workers()["workers"][0],
        shapes.WholeWorker: client.worker(client.workers()["workers"][0]["id"]),
    }

    assert {kind: kind.__annotations__.keys() for kind in told} == {
        kind: found.keys() for kind, found in told.items()
    }
