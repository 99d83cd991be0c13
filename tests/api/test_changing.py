"""The routes that filter, delete, prune, change, apply and run again, on a store at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.test_jobs import JOB, ids, submit

if TYPE_CHECKING:
    import httpx


def ended(http: httpx.Client, count: int = 1, **fields: Any) -> list[int]:
    """Submit jobs and have them end as STOPPED."""
    made = submit(http, count, **fields)
    for job_id in made:
        assert http.put(f"/jobs/{job_id}/stop").json()["status"] == "STOPPED"
    return made


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def test_jobs_are_found_by_their_labels(http: httpx.Client) -> None:
    (eu,) = submit(http, labels={"zone": "eu", "tier": "1"})
    (us,) = submit(http, labels={"zone": "us"})
    (none,) = submit(http)

    assert ids(http.get("/jobs?label=zone=eu")) == [eu]
    assert ids(http.get("/jobs?label=zone==eu&label=tier=1")) == [eu]
    assert ids(http.get("/jobs", params={"label": "zone=eu,tier=2"})) == []
    assert ids(http.get("/jobs?label=zone!=eu")) == [none, us]
    assert ids(http.get("/jobs?label=zone=us&limit=1")) == [us]


def test_jobs_are_found_by_who_made_them_and_when(http: httpx.Client) -> None:
    first, second = submit(http, 2)
    (third,) = submit(http)
    made_at = http.get(f"/jobs/{second}").json()["created_at"]

    assert ids(http.get("/jobs?trigger=api")) == [third, second, first]
    assert ids(http.get("/jobs?trigger=cli")) == []
    assert ids(http.get("/jobs", params={"created_after": made_at})) == [third]
    in_another_zone = made_at.replace("Z", "+00:00")
    assert ids(http.get(f"/jobs?created_after={in_another_zone}")) == [third]
    assert ids(http.get("/jobs?worker_id=w*&workflow_id=1&dataset=a/b")) == []


@pytest.mark.parametrize(
    "query",
    [
        "label=zone", "label=", "label=a b=c", "label==x", "dataset=a", "dataset=a/b/c",
        "dataset=/b", "created_after=now", "created_after=2030-01-31T08:00:00",
        "created_after=2030-13-31T08:00:00Z", "worker_id=*", "worker_id=a*b",
        "workflow_id=0", "workflow_id=x", "status=", "status=,", "name=a%00", "namespace=%1b",
        "trigger=api%00", "dataset=a/b%00",
    ],
)  # fmt: skip
def test_a_filter_that_is_not_understood_is_refused(http: httpx.Client, query: str) -> None:
    assert error_of(http.get(f"/jobs?{query}")) == (400, "INVALID_QUERY_PARAMETERS")


def test_a_job_that_is_over_is_deleted_once_and_for_all(http: httpx.Client) -> None:
    (job_id,) = ended(http)

    for _ in range(2):
        answer = http.delete(f"/jobs/{job_id}")
        assert (answer.status_code, answer.content) == (204, b"")
    for path in ("", "/events", "/attempts", "/progress", "/explain"):
        assert error_of(http.get(f"/jobs/{job_id}{path}")) == (404, "JOB_NOT_FOUND")
    assert http.delete("/jobs/999999").status_code == 204
    assert error_of(http.delete("/jobs/x")) == (400, "INVALID_JOB_ID")


def test_a_job_that_is_not_over_is_not_deleted(http: httpx.Client) -> None:
    (job_id,) = submit(http)

    assert error_of(http.delete(f"/jobs/{job_id}")) == (409, "JOB_CONFLICT")
    assert http.get(f"/jobs/{job_id}").status_code == 200


def deleted(answer: httpx.Response) -> int:
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    return int(answer.headers["jobyard-deleted-count"])


def test_pruning_deletes_what_is_over_and_matches_and_says_how_many(http: httpx.Client) -> None:
    (active,) = submit(http)
    ended(http, 3)
    (labelled,) = ended(http, labels={"keep": "yes"})
    (canceled,) = submit(http)
    http.put(f"/jobs/{canceled}/cancel")

    assert deleted(http.delete("/jobs?status=stopped&label=keep!=yes&dry_run=true")) == 3
    assert len(ids(http.get("/jobs?status=all"))) == 6
    assert deleted(http.delete("/jobs?status=stopped&older_than=7d")) == 0
    assert deleted(http.delete("/jobs?status=completed,error")) == 0
    assert deleted(http.delete("/jobs?status=Stopped&label=keep!=yes")) == 3
    assert ids(http.get("/jobs?status=all")) == [canceled, labelled, active]
    assert deleted(http.delete("/jobs?status=terminal&older_than=0s")) == 2
    assert ids(http.get("/jobs?status=all")) == [active]


@pytest.mark.parametrize(
    "query",
    [
        "", "?status=", "?status=all", "?status=active", "?status=running",
        "?status=stopped,queued",
        "?status=nonsense", "?status=terminal&older_than=soon", "?status=terminal&older_than=-1d",
        "?status=terminal&older_than=99999999999999999d", "?status=terminal&label=x",
        "?status=terminal&dry_run=maybe",
    ],
)  # fmt: skip
def test_a_prune_that_is_not_understood_deletes_nothing(http: httpx.Client, query: str) -> None:
    ended(http)

    assert error_of(http.delete(f"/jobs{query}")) == (400, "INVALID_QUERY_PARAM")
    assert len(ids(http.get("/jobs?status=all"))) == 1


def test_fields_that_may_change_are_changed(http: httpx.Client) -> None:
    (job_id,) = submit(http, suspend=True, labels={"a": "1", "b": "2"})

    answer = http.patch(f"/jobs/{job_id}", json={"parallelism": 3, "labels": {"a": "9", "b": None}})

    assert answer.status_code == 200, answer.text
    assert answer.json()["parallelism"] == 3
    assert answer.json()["labels"] == http.get(f"/jobs/{job_id}").json()["labels"] == {"a": "9"}
    assert ids(http.get("/jobs?label=a=9")) == [job_id]
    assert ids(http.get("/jobs?label=a=1")) == ids(http.get("/jobs?label=b=2")) == []
    resumed = http.patch(
        f"/jobs/{job_id}",
        content="suspend: false",
        headers={"content-type": "application/yaml"},
    )
    assert resumed.json()["status"] == "SCHEDULED"


@pytest.mark.parametrize(
    "content", ["[]", "1", "null", "", "{", '{"command": ["x"]}', '{"nope": 1}', "{}\n---\n{}"]
)
def test_a_change_that_may_not_be_is_refused(http: httpx.Client, content: str) -> None:
    (job_id,) = submit(http)

    answer = http.patch(f"/jobs/{job_id}", content=content)

    assert error_of(answer) == (400, "INVALID_DOCUMENT")
    assert http.get(f"/jobs/{job_id}").json()["spec"]["command"] == ["true"]
    assert error_of(http.patch("/jobs/999999", json={})) == (404, "JOB_NOT_FOUND")


def test_a_job_that_is_over_is_run_again_by_a_new_one(http: httpx.Client) -> None:
    (job_id,) = ended(http)

    answer = http.put(f"/jobs/{job_id}/retry")

    assert answer.status_code == 201
    again = answer.json()
    assert answer.headers["location"] == f"/jobs/{again['id']}"
    assert (again["retried_from"], again["name"]) == (job_id, "job-0")
    assert again["id"] != job_id
    assert error_of(http.put(f"/jobs/{again['id']}/retry")) == (409, "STATE_CONFLICT")
    assert error_of(http.put("/jobs/999999/retry")) == (404, "JOB_NOT_FOUND")
    wrong = http.put(f"/jobs/{job_id}/retry?indexes=some")
    assert error_of(wrong) == (400, "INVALID_QUERY_PARAM")


def test_applying_makes_changes_and_leaves_alone(http: httpx.Client) -> None:
    def apply(*jobs: dict[str, Any], **params: Any) -> list[tuple[str, int]]:
        answer = http.post("/apply", json={"jobs": list(jobs)}, params=params)
        assert answer.status_code == 200, answer.text
        return [(one["action"], one["job"]["id"]) for one in answer.json()["jobs"]]

    [(created, job_id)] = apply(JOB)
    assert created == "created"
    assert apply(JOB) == [("unchanged", job_id)]
    assert apply({**JOB, "completions": 1, "backoff_limit": 3}) == [("patched", job_id)]
    assert http.get(f"/jobs/{job_id}").json()["spec"]["backoff_limit"] == 3
    http.put(f"/jobs/{job_id}/stop")
    [(action, again)] = apply({**JOB, "backoff_limit": 3}, rerun=True)
    assert action == "created"
    assert again > job_id
    other = http.post("/apply", json={**JOB, "command": ["false"]})
    assert error_of(other) == (409, "APPLY_CONFLICT")
    assert error_of(http.post("/apply", json={"jobs": [JOB, JOB]})) == (400, "INVALID_DOCUMENT")
    assert error_of(http.post("/apply", json={"jobs": []})) == (400, "INVALID_DOCUMENT")


def test_what_cannot_be_found_again_by_its_name_is_not_applied(http: httpx.Client) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "a", "command": ["true"]}]}
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "pi-"},
        "spec": {"template": {"spec": pod}},
    }
    answer = http.post("/apply", json=manifest)

    assert error_of(answer) == (400, "INVALID_DOCUMENT")
    assert [error["path"] for error in answer.json()["errors"]] == ["metadata.generateName"]
    assert http.post("/jobs", json=manifest).json()["name"].startswith("pi-")


def test_every_field_that_stands_in_the_way_is_named(http: httpx.Client) -> None:
    (job_id,) = submit(http)
    changed = {**JOB, "name": "job-0", "command": ["false"], "executor": "fake", "ttl": 5}
    answer = http.post("/apply", json={"jobs": [changed]})

    assert error_of(answer) == (409, "APPLY_CONFLICT")
    (conflict,) = answer.json()["conflicts"]
    assert (conflict["job_id"], conflict["fields"]) == (job_id, ["command", "executor"])
