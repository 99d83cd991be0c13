"""The routes of jobs, against a real server of an empty store."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx
    from tests.api.conftest import Serving

JOB = {"name": "one", "command": ["true"]}
MANIFEST = """
apiVersion: batch/v1
kind: Job
metadata: {name: pi}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: pi, image: perl, command: [perl]}]
"""

FIELDS = """
id name namespace labels status outcome reason message waiting_reason trigger workflow_id executor
priority dataset manifest_hash worker_id node_id end_block parallelism completions completion_mode
suspend active terminating succeeded failed restarts completed_indexes failed_indexes retry_at
retried_from
scheduled_at admitted_at queued_at started_at finished_at created_at updated_at descriptor spec
"""


def submit(http: httpx.Client, count: int = 1, **fields: Any) -> list[int]:
    document = {"jobs": [{**JOB, "name": f"job-{n}", **fields} for n in range(count)]}
    answer = http.post("/jobs", json=document)
    assert answer.status_code == 201, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def ids(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def test_one_bare_job_is_answered_by_itself(http: httpx.Client) -> None:
    answer = http.post("/jobs", json=JOB)

    assert answer.status_code == 201
    assert answer.json()["name"] == "one"
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    assert http.get(answer.headers["location"]).json()["id"] == answer.json()["id"]


def test_every_field_of_a_job_is_present_even_when_null(http: httpx.Client) -> None:
    job = http.post("/jobs", json=JOB).json()

    assert set(job) >= set(FIELDS.split())
    assert job["status"] == "SCHEDULED"
    assert job["trigger"] == "api"
    assert job["finished_at"] is None


def test_a_document_of_one_job_is_answered_by_a_list(http: httpx.Client) -> None:
    answer = http.post("/jobs", json={"jobs": [JOB]})

    assert answer.status_code == 201
    assert [job["name"] for job in answer.json()["jobs"]] == ["one"]


@pytest.mark.parametrize(
    "content_type", ["application/yaml", "text/yaml; charset=utf-8", "text/plain", None]
)
def test_yaml_is_read_by_its_type_or_by_looking(
    http: httpx.Client, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}

    answer = http.post("/jobs", content="name: one\ncommand: [x]\n", headers=headers)

    assert answer.status_code == 201
    assert answer.json()["spec"]["command"] == ["x"]


def test_a_manifest_is_a_job_and_a_list_of_them_a_list(http: httpx.Client) -> None:
    manifest = MANIFEST.replace("image: perl, ", "")
    listed = "apiVersion: v1\nkind: List\nitems:\n- " + manifest.strip().replace("\n", "\n  ")

    assert http.post("/jobs", content=manifest).json()["name"] == "pi"
    assert [job["name"] for job in http.post("/jobs", content=listed).json()["jobs"]] == ["pi"]


def test_a_manifest_with_an_image_runs_as_a_process_when_the_request_says_so(
    http: httpx.Client,
) -> None:
    assert http.post("/jobs", content=MANIFEST).status_code == 400

    answer = http.post("/jobs", params={"executor": "process"}, content=MANIFEST)

    assert (answer.status_code, answer.json()["executor"]) == (201, "process")
    assert http.post("/jobs", params={"executor": "moon"}, content=MANIFEST).status_code == 400


def test_a_wrong_document_makes_no_job_and_names_every_problem(http: httpx.Client) -> None:
    jobs = [JOB, {"name": "B!", "command": ["x"]}, {"name": "c", "completions": -1}]

    answer = http.post("/jobs", json={"jobs": jobs})

    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_DOCUMENT"
    paths = {problem["path"] for problem in answer.json()["errors"]}
    assert {"jobs[1].name", "jobs[2].completions", "jobs[2].command"} <= paths
    assert ids(http.get("/jobs?status=all")) == []


def test_the_same_key_with_the_same_job_makes_one_job(http: httpx.Client) -> None:
    key = {"Idempotency-Key": "k-1"}

    first = http.post("/jobs", json=JOB, headers=key)
    again = http.post("/jobs", json=JOB, headers=key)
    other = http.post("/jobs", json={**JOB, "name": "two"}, headers=key)

    assert again.status_code == 201
    assert again.json()["id"] == first.json()["id"]
    assert other.status_code == 409
    assert other.json()["error_code"] == "IDEMPOTENCY_CONFLICT"


def test_one_key_does_not_name_several_jobs(http: httpx.Client) -> None:
    document = {"jobs": [JOB, {**JOB, "name": "two"}]}

    answer = http.post("/jobs", json=document, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_REQUEST"


def test_a_body_over_the_limit_is_refused_before_it_is_read(still: Serving) -> None:
    connection = HTTPConnection(still.url.removeprefix("http://"))
    connection.putrequest("POST", "/jobs")
    connection.putheader("Content-Length", str(64 * 1024 * 1024 + 1))
    connection.endheaders()

    answer = connection.getresponse()

    assert answer.status == 413
    assert json.load(answer)["error_code"] == "TOO_LARGE"
    connection.close()


def test_a_body_that_grows_over_the_limit_is_refused(http: httpx.Client) -> None:
    def pieces() -> Any:
        for _ in range(65):
            yield b" " * (1024 * 1024)

    answer = http.post("/jobs", content=pieces(), timeout=60)

    assert answer.status_code == 413


def test_pages_follow_each_other_without_gap_or_overlap(http: httpx.Client) -> None:
    made = submit(http, 5)

    first = http.get("/jobs?limit=2").json()
    second = http.get(f"/jobs?limit=2&last_job_id={first['next_cursor']}").json()
    last = http.get(f"/jobs?limit=2&last_job_id={second['next_cursor']}").json()

    pages = [[job["id"] for job in page["jobs"]] for page in (first, second, last)]
    assert [*pages[0], *pages[1], *pages[2]] == sorted(made, reverse=True)
    assert first["next_cursor"] == pages[0][-1]
    assert "next_cursor" not in last


def test_a_full_last_page_has_no_cursor(http: httpx.Client) -> None:
    submit(http, 2)

    assert "next_cursor" not in http.get("/jobs?limit=2").json()
    assert http.get("/jobs?limit=1000").status_code == 200


def test_active_is_what_is_listed_if_nobody_says(http: httpx.Client) -> None:
    first, second = submit(http, 2)
    http.put(f"/jobs/{first}/stop")

    assert ids(http.get("/jobs")) == [second]
    assert ids(http.get("/jobs?status=active")) == [second]
    assert ids(http.get("/jobs?status=all")) == [second, first]
    assert ids(http.get("/jobs?status=terminal")) == [first]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("scheduled", True), ("SCHEDULED,running", True), ("Stop-Requested", False),
        ("stoprequested, queued", False), ("stop_requested", False), ("error", False),
        ("running, Scheduled", True),
    ],
)  # fmt: skip
def test_status_words_are_read_in_any_spelling(http: httpx.Client, words: str, found: bool) -> None:
    made = submit(http)

    assert ids(http.get("/jobs", params={"status": words})) == (made if found else [])


def test_an_unknown_status_word_is_refused_with_the_legal_ones(http: httpx.Client) -> None:
    answer = http.get("/jobs?status=running,runing")

    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_QUERY_PARAMETERS"
    assert "runing" in answer.json()["detail"]
    assert "stop_requested" in answer.json()["legal"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "LIMIT_INVALID"), ("limit=-1", "LIMIT_INVALID"),
        ("limit=1001", "LIMIT_TOO_LARGE"), ("limit=99999999999999999999", "LIMIT_TOO_LARGE"),
        ("limit=x", "INVALID_QUERY_PARAMETERS"), ("limit=", "INVALID_QUERY_PARAMETERS"),
        ("last_job_id=0", "INVALID_QUERY_PARAMETERS"),
        ("last_job_id=-1", "INVALID_QUERY_PARAMETERS"),
    ],
)  # fmt: skip
def test_a_parameter_out_of_bounds_is_refused(http: httpx.Client, query: str, code: str) -> None:
    answer = http.get(f"/jobs?{query}")

    assert answer.status_code == 400
    assert answer.json()["error_code"] == code
    assert query.partition("=")[0] in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "query", "code", "hint"),
    [
        ("GET", "/jobs?stauts=all", "INVALID_QUERY_PARAMETERS", "did you mean `status`?"),
        ("DELETE", "/jobs?status=terminal&older-than=7d", "INVALID_QUERY_PARAM",
         "did you mean `older_than`?"),
        ("POST", "/jobs?zzz=1", "INVALID_QUERY_PARAM", "it has executor"),
        ("PUT", "/jobs/1/stop?force=true", "INVALID_QUERY_PARAM", "it has none"),
    ],
)  # fmt: skip
def test_a_parameter_that_is_misspelt_is_refused_and_nothing_is_done(
    http: httpx.Client, method: str, query: str, code: str, hint: str
) -> None:
    (job_id,) = submit(http)
    http.put(f"/jobs/{job_id}/stop")

    answer = http.request(method, query, json={"name": "a", "command": ["true"]})

    told = answer.json()
    assert (answer.status_code, told["error_code"], told["hint"]) == (400, code, hint)
    assert ids(http.get("/jobs?status=all")) == [job_id]


def test_jobs_are_found_by_name_and_namespace(http: httpx.Client) -> None:
    first, second = submit(http, 2)
    (other,) = submit(http, namespace="elsewhere")

    assert ids(http.get("/jobs?name=job-1")) == [second]
    assert ids(http.get("/jobs?namespace=elsewhere")) == [other]
    assert ids(http.get("/jobs?name=job-0&namespace=default")) == [first]


def test_a_stopped_job_stays_stopped_and_stopping_it_again_succeeds(http: httpx.Client) -> None:
    (job_id,) = submit(http)

    answers = [http.put(f"/jobs/{job_id}/{verb}") for verb in ("stop", "stop", "cancel")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.json()["status"] for answer in answers} == {"STOPPED"}
    assert answers[0].json()["reason"] == "StopRequested"


def test_a_canceled_job_is_canceled(http: httpx.Client) -> None:
    (job_id,) = submit(http)

    assert http.put(f"/jobs/{job_id}/cancel").json()["status"] == "CANCELED"


def test_suspend_and_resume_are_idempotent(http: httpx.Client) -> None:
    (job_id,) = submit(http)

    for verb, status in (("suspend", "PENDING"), ("resume", "SCHEDULED")):
        for _ in range(2):
            answer = http.put(f"/jobs/{job_id}/{verb}")
            assert (answer.status_code, answer.json()["status"]) == (200, status)


def test_a_job_that_is_over_cannot_be_suspended(http: httpx.Client) -> None:
    (job_id,) = submit(http)
    http.put(f"/jobs/{job_id}/stop")

    answer = http.put(f"/jobs/{job_id}/suspend")

    assert answer.status_code == 409
    assert answer.json()["error_code"] == "STATE_CONFLICT"
    assert answer.json()["actual"] == "STOPPED"


def test_progress_counts_completions_and_has_no_tables(http: httpx.Client) -> None:
    (job_id,) = submit(http, completions=4)

    assert http.get(f"/jobs/{job_id}/progress").json() == {
        "job_id": job_id,
        "job_status": "SCHEDULED",
        "tables": {},
        "completions": {
            "total": 4,
            "succeeded": 0,
            "active": 1,
            "failed": 0,
            "rate": None,
            "eta": None,
        },
    }


def test_the_ledger_is_told_from_its_first_line_and_in_pages(http: httpx.Client) -> None:
    (job_id,) = submit(http)

    whole = http.get(f"/jobs/{job_id}/events").json()
    part = http.get(f"/jobs/{job_id}/events?limit=1").json()
    rest = http.get(f"/jobs/{job_id}/events?after={part['next_cursor']}").json()

    assert [event["event"] for event in whole["events"]] == ["created", "due"]
    assert part["events"] + rest["events"] == whole["events"]
    assert "next_cursor" not in rest


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""), ("GET", "/progress"), ("GET", "/events"), ("GET", "/attempts"),
        ("GET", "/logs"), ("PUT", "/stop"), ("PUT", "/cancel"), ("PUT", "/suspend"),
        ("PUT", "/resume"), ("GET", "/explain"), ("GET", "/events/1"),
    ],
)  # fmt: skip
def test_a_job_that_is_not_there_is_not_found(http: httpx.Client, method: str, rest: str) -> None:
    answer = http.request(method, f"/jobs/999999{rest}")

    assert answer.status_code == 404
    assert answer.json()["error_code"] == "JOB_NOT_FOUND"


@pytest.mark.parametrize("job_id", ["x", "0", "-1", "1.5", str(2**63), "%00"])
def test_what_is_no_id_is_told_so(http: httpx.Client, job_id: str) -> None:
    for method, rest in (("GET", ""), ("PUT", "/stop"), ("GET", "/logs?limit=x")):
        answer = http.request(method, f"/jobs/{job_id}{rest}")

        assert answer.status_code == 400
        assert answer.json()["error_code"] == "INVALID_JOB_ID"
