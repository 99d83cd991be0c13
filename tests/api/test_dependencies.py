"""Jobs that depend on others, from a request down to their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from jobyard.client import Client

FAILS = {"command": ["false"], "restart_policy": "Never"}


def job(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": ["true"], **fields}


def after(name: str | int, condition: str = "completed") -> list[dict[str, Any]]:
    return [{"job": name, "condition": condition}]


def test_a_job_runs_after_the_one_it_depends_on(client: Client) -> None:
    first, second = client.submit_all({"jobs": [job("a"), job("b", depends_on=["a"])]})
    done = client.wait(second["id"])

    assert done["status"] == "COMPLETED"
    assert str(done["admitted_at"]) >= str(client.job(first["id"])["finished_at"])


def test_a_failed_dependency_cancels_what_waits_for_it_and_what_waits_for_that(
    client: Client,
) -> None:
    jobs = [
        job("a", **FAILS),
        job("b", depends_on=["a"]),
        job("c", depends_on=["b"]),
        job("tidy", depends_on=after("a", "finished")),
        job("alarm", depends_on=after("a", "failed")),
    ]
    made = client.submit_all({"jobs": jobs})
    a, b, c, tidy, alarm = (client.wait(one["id"]) for one in made)

    assert a["status"] == "FAILED"
    assert [(one["status"], one["reason"]) for one in (b, c)] == [
        ("CANCELED", "DependencyFailed")
    ] * 2
    assert f"job {a['id']}" in str(b["message"])
    assert [one["status"] for one in (tidy, alarm)] == ["COMPLETED"] * 2


def test_a_job_of_another_document_is_depended_on_by_its_id(client: Client) -> None:
    (first,) = client.submit_all({"jobs": [job("a", suspend=True)]})
    (waits,) = client.submit_all({"jobs": [job("b", depends_on=[first["id"]])]})
    assert waits["waiting_reason"] == "waits for 1 job"
    assert waits["spec"]["depends_on"] == after(first["id"])
    client.resume(first["id"])
    assert client.wait(waits["id"])["status"] == "COMPLETED"

    (late,) = client.submit_all({"jobs": [job("c", depends_on=after(first["id"], "failed"))]})
    assert client.wait(late["id"])["reason"] == "DependencyFailed"


@pytest.mark.parametrize(
    ("jobs", "paths"),
    [
        (
            [job("a", depends_on=["b"]), job("b", depends_on=["a"])],
            ["jobs[0].depends_on", "jobs[1].depends_on"],
        ),
        ([job("a", depends_on=["a"])], ["jobs[0].depends_on"]),
        ([job("a"), job("b", depends_on=["nobody"])], ["jobs[1].depends_on[0]"]),
        ([job("a"), job("b", depends_on=[10**9])], ["depends_on[0]"]),
    ],
)
def test_what_can_never_be_is_refused_before_anything_starts(
    http: httpx.Client, jobs: list[dict[str, Any]], paths: list[str]
) -> None:
    answer = http.post("/jobs", json={"jobs": jobs})

    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_DOCUMENT")
    assert [error["path"] for error in answer.json()["errors"]] == paths
    assert http.get("/jobs?status=all").json()["jobs"] == []
