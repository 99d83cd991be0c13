"""Why a job does not run, in lists, in the job and in full, on a store without an engine."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click
from tests.api.hands import hand, on_the_store
from tests.api.test_jobs import submit

from jobyard.api.desk import Desk
from jobyard.cli import jobyard

if TYPE_CHECKING:
    import httpx
    from tests.api.conftest import Serving

    from jobyard.store.base import Store


def explain(http: httpx.Client, job_id: int) -> Any:
    answer = http.get(f"/jobs/{job_id}/explain")
    assert answer.status_code == 200, answer.text
    for hint in answer.json()["hints"]:
        assert_understood(hint)
    return answer.json()


def assert_understood(line: str) -> None:
    """Parse a command line as the command would, without running it."""
    name, *words = shlex.split(line)
    command: click.Command | None = jobyard
    context = None
    while command is not None:
        context = command.make_context(name, words, parent=context)
        words = [*context._protected_args, *context.args]
        if not isinstance(command, click.Group) or not words:
            return
        found, command, words = command.resolve_command(context, words)
        name = found or ""


def test_a_job_that_no_worker_fits_says_what_is_missing_wherever_it_is_shown(
    http: httpx.Client, still: Serving
) -> None:
    (job_id,) = submit(http, worker_selector={"zone": "eu"})
    assert http.get(f"/jobs/{job_id}").json()["waiting_reason"] == "no worker is there"
    hand(still, "w1", zone="us")

    told = explain(http, job_id)

    missing = "no worker has the label zone=eu"
    assert http.get(f"/jobs/{job_id}").json()["waiting_reason"] == missing
    assert [job["waiting_reason"] for job in http.get("/jobs").json()["jobs"]] == [missing]
    assert (told["waiting_reason"], told["reasons"]) == (missing, [missing])
    assert told["workers"] == [{"id": "w1", "fits": False, "why": "has not the label zone=eu"}]
    assert told["summary"] == f"job {job_id} `job-0` is SCHEDULED: {missing}"
    assert told["hints"] == ["jobyard worker --label zone=eu"]


def test_a_job_behind_another_says_that_all_slots_are_taken(
    http: httpx.Client, still: Serving
) -> None:
    _, second = submit(http, 2)
    worker = hand(still, "w1")
    worker.claim()

    told = explain(http, second)

    assert told["reasons"] == ["worker w1 fits, but its one slot is taken"]
    assert told["workers"] == [{"id": "w1", "fits": True, "why": "its one slot is taken"}]
    assert told["hints"] == ["jobyard worker list"]


def test_a_drained_worker_is_named_with_the_way_out(http: httpx.Client, still: Serving) -> None:
    (job_id,) = submit(http)
    hand(still, "w1")
    http.put("/workers/w1/drain")

    told = explain(http, job_id)

    assert told["waiting_reason"] == "worker w1 is draining, and no other fits"
    assert told["hints"][0] == "jobyard worker resume w1"


def test_dependencies_are_shown_by_id_condition_and_status(http: httpx.Client) -> None:
    document = {
        "jobs": [
            {"name": "a", "command": ["true"]},
            {"name": "b", "command": ["true"], "depends_on": [{"job": "a"}]},
        ]
    }
    a, b = (job["id"] for job in http.post("/jobs", json=document).json()["jobs"])

    told = explain(http, b)

    assert told["dependencies"] == [
        {"job_id": a, "condition": "completed", "job_status": "SCHEDULED", "satisfied": None}
    ]
    assert told["reasons"] == [
        "waits for 1 job",
        f"waits until job {a} is completed; it is SCHEDULED",
    ]
    assert told["hints"] == [f"jobyard job explain {a}"]
    http.put(f"/jobs/{a}/stop")
    assert explain(http, b)["dependencies"][0]["satisfied"] is False


def test_a_failed_job_says_why_with_its_last_failures_and_what_to_do(
    http: httpx.Client, still: Serving
) -> None:
    (job_id,) = submit(http, restart_policy="Never", backoff_limit=0)
    worker = hand(still, "w1")
    worker.run(3)

    told = explain(http, job_id)

    assert told["job_status"] == "FAILED"
    assert told["waiting_reason"] is None
    assert "BackoffLimitExceeded" in told["reasons"][0]
    (failure,) = told["last_failures"]
    assert failure["message"] == "it ended with exit code 3"
    assert (failure["number"], failure["exit_code"], failure["signal"]) == (1, 3, None)
    assert told["workers"] == []
    assert told["hints"] == [
        f"jobyard job logs {job_id} --attempt 1",
        f"jobyard job retry {job_id}",
    ]


def test_a_job_that_waits_for_its_next_try_says_until_when_and_what_failed(
    http: httpx.Client, still: Serving
) -> None:
    (job_id,) = submit(http, restart_policy="Never", backoff_limit=3, backoff={"base": 3600})
    worker = hand(still, "w1")
    worker.run(3)

    told = explain(http, job_id)

    assert told["waiting_reason"].startswith("retries at ")
    assert told["retry_at"] is not None
    assert told["reasons"][1] == (
        "1 of its attempts failed so far; the last one: it ended with exit code 3"
    )


def test_a_job_that_runs_says_how_far_it_is_and_what_waits(
    http: httpx.Client, still: Serving
) -> None:
    (job_id,) = submit(http, completions=3, parallelism=2)
    worker = hand(still, "w1")
    worker.start()

    assert explain(http, job_id)["reasons"] == [
        "1 attempt is with a worker, 0 of 3 completions done",
        "1 attempt is waiting: worker w1 fits, but its one slot is taken",
    ]


def test_suspended_and_completed_jobs_say_so(http: httpx.Client, still: Serving) -> None:
    (suspended,) = submit(http, suspend=True)
    (done,) = submit(http)
    worker = hand(still, "w1")
    worker.run()

    told = explain(http, suspended)
    assert (told["reasons"], told["hints"]) == (["suspended"], [f"jobyard job resume {suspended}"])
    told = explain(http, done)
    assert told["reasons"] == ["1 completion succeeded (CompletionsReached)"]
    assert (told["hints"], told["last_failures"]) == ([], [])


def test_a_worker_shows_what_it_runs(http: httpx.Client, still: Serving) -> None:
    (job_id,) = submit(http)
    worker = hand(still, "w1", zone="eu")
    (claimed,) = worker.claim()

    shown = http.get("/workers/w1").json()

    assert (shown["id"], shown["node_id"]) == ("w1", "w1")
    assert shown["info"] == {"version": "9.9"}
    assert shown["registered_at"] == shown["created_at"] == shown["started_at"]
    assert [attempt["id"] for attempt in shown["attempts"]] == [claimed.attempt_id]
    assert shown["attempts"][0]["job_id"] == job_id
    assert "attempts" not in http.get("/workers").json()["workers"][0]


def test_workers_are_read_once_a_page_and_only_if_a_job_waits_for_one(still: Serving) -> None:
    async def work(store: Store) -> list[int]:
        desk = Desk(store, None, executors=["process"])  # type: ignore[arg-type]
        read: list[int] = []
        crew = store.crew

        async def counting(job_ids: Any) -> Any:
            read.append(len(job_ids))
            return await crew(job_ids)

        store.crew = counting  # type: ignore[method-assign]
        await desk.submit(b'{"jobs": [{"name": "a", "command": ["x"], "suspend": true}]}')
        await desk.jobs_page()
        assert read == []
        await desk.submit(
            b'{"jobs": [{"name": "b", "command": ["x"]}, {"name": "c", "command": ["x"]}]}'
        )
        read.clear()
        await desk.jobs_page()
        return read

    assert on_the_store(still, work) == [2]


def test_an_event_is_read_with_its_detail(http: httpx.Client, still: Serving) -> None:
    (job_id,) = submit(http, restart_policy="Never", backoff_limit=0)
    (other,) = submit(http)
    worker = hand(still, "w1")
    worker.run(3)
    events = http.get(f"/jobs/{job_id}/events").json()["events"]

    whole = [http.get(f"/jobs/{job_id}/events/{event['id']}").json() for event in events]

    for event, read in zip(events, whole, strict=True):
        assert {**event, "detail": read["detail"]} == read
        assert (event["event_type"], event["created_at"]) == (event["status"], event["at"])
    assert whole[0]["detail"] == {"kind": "process"}
    assert whole[-1]["detail"]["error_code"] == "BACKOFF_LIMIT_EXCEEDED"
    assert whole[-1]["detail"]["reason"] == "BackoffLimitExceeded"
    assert whole[-1]["detail"]["error_message"]
    for strange in (events[-1]["id"] + 1, 2**62):
        answer = http.get(f"/jobs/{job_id}/events/{strange}")
        assert (answer.status_code, answer.json()["error_code"]) == (404, "EVENT_NOT_FOUND")
    answer = http.get(f"/jobs/{other}/events/{events[0]['id']}")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "EVENT_NOT_FOUND")
    for strange in ("x", "0", "-1"):
        answer = http.get(f"/jobs/{job_id}/events/{strange}")
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_JOB_ID")
