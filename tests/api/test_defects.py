"""What went wrong in a system of our kind does not go wrong here.

Each test is one of the defects on docs/reference/defects.md, by its number there.
"""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.api.conftest import serving
from tests.api.hands import decide, hand, on_the_store
from tests.api.test_jobs import JOB, ids, submit
from tests.data.files import put

from jobyard import app, clock, config
from jobyard.api.access import Role, Tokens
from jobyard.api.app import make_app
from jobyard.api.desk import Desk
from jobyard.cli import upkeep
from jobyard.core.backoff import SECOND, delay
from jobyard.core.job import Backoff
from jobyard.store.postgres import connecting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.conftest import Serving

    from jobyard.client import Client
    from jobyard.store.base import Store

FAR_FROM_UTC = "Pacific/Chatham"
"""UTC+12:45, and another offset in summer."""
PATIENCE = 60.0
DATASET = {
    "namespace": "_", "name": "eth", "version": "1.0.0",
    "manifest": {"kind": "evm-rpc", "network": "mainnet", "tables": {"blocks": {}}},
}  # fmt: skip
DEPLOY = "/datasets/_/eth/versions/latest/deploy"
PROVIDER = {
    "name": "node", "kind": "evm-rpc", "network": "mainnet", "url": "https://u:s3cret@node/s3cret",
    "auth_token": "s3cret",
}  # fmt: skip


def status(http: httpx.Client, job_id: int) -> str:
    return str(http.get(f"/jobs/{job_id}").json()["status"])


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def test_01_the_same_request_is_the_same_however_it_is_written(http: httpx.Client) -> None:
    key = {"Idempotency-Key": "k"}
    spec = {"name": "a", "command": ["x"], "labels": {"b": "1", "a": "2"}, "backoff_limit": 3}
    reordered = json.dumps(dict(reversed(spec.items())), indent=4)
    written = "backoff_limit: 3\nlabels: {a: '2', b: '1'}\ncommand:\n- x\nname: a\n"

    made = [
        http.post("/jobs", headers=key, **request).json()["id"]
        for request in ({"json": spec}, {"content": reordered}, {"content": written})
    ]

    assert len(set(made)) == 1
    assert http.post("/apply", content=written).json()["jobs"][0]["action"] == "unchanged"
    assert len(ids(http.get("/jobs?status=all"))) == 1


def test_02_a_stop_that_races_with_the_end_costs_a_worker_nothing(client: Client) -> None:
    jobs = client.submit_all({"jobs": [{**JOB, "name": f"racing-{n}"} for n in range(40)]})
    before = client.worker("w1")
    stoppers = [threading.Thread(target=client.stop, args=(job["id"],)) for job in jobs]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join()

    ends = {client.wait(job["id"], within=PATIENCE)["status"] for job in jobs}

    assert ends <= {"STOPPED", "COMPLETED"}
    after = client.wait(client.submit(JOB)["id"], within=PATIENCE)
    assert (after["status"], after["worker_id"]) == ("COMPLETED", "w1")
    assert client.worker("w1")["started_at"] == before["started_at"]


def test_02_a_stop_that_comes_before_the_start_costs_a_worker_nothing(
    http: httpx.Client, still: Serving
) -> None:
    (stopped,) = submit(http)
    worker = hand(still)
    (claim,) = worker.claim()
    http.put(f"/jobs/{stopped}/stop")

    told = worker.settle()
    assert [order.attempt_id for order in told.stops] == [claim.attempt_id]
    assert worker.end(claim, None).rejected == []

    assert status(http, stopped) == "STOPPED"
    (other,) = submit(http)
    worker.run()
    assert status(http, other) == "COMPLETED"


def test_03_a_job_whose_worker_dies_while_it_stops_is_stopped_and_can_be_deleted(
    http: httpx.Client, still: Serving
) -> None:
    (job_id,) = submit(http)
    worker = hand(still, dead=True)
    claim = worker.start()
    assert http.put(f"/jobs/{job_id}/stop").json()["status"] == "STOP_REQUESTED"
    worker.settle()
    on_the_store(still, lambda store: store.settle(worker.session, _seen(claim), None))
    assert status(http, job_id) == "STOPPING"

    decide(still)

    assert status(http, job_id) == "STOPPED"
    assert http.delete(f"/jobs/{job_id}").status_code == 204


def _seen(claim: Any) -> Any:
    from jobyard.store.base import Reports

    return Reports(stopping=[(claim.attempt_id, claim.job_id)])


def test_04_a_stop_of_a_job_on_a_dead_worker_ends_it(http: httpx.Client, still: Serving) -> None:
    (job_id,) = submit(http)
    hand(still, dead=True).start()

    assert http.put(f"/jobs/{job_id}/stop").json()["status"] == "STOP_REQUESTED"
    decide(still)

    assert status(http, job_id) == "STOPPED"
    assert http.delete(f"/jobs/{job_id}").status_code == 204


def test_01_the_same_deployment_is_the_same_job(http: httpx.Client) -> None:
    http.post("/datasets", json=DATASET)
    bodies = [
        '{"end_block": "9", "verify": false}',
        '{"verify":false,"end_block":9}',
        "end_block: 9",
    ]

    made = [http.post(DEPLOY, content=body) for body in bodies]

    assert [answer.status_code for answer in made] == [202] * 3
    assert len({answer.json()["job_id"] for answer in made}) == 1


def test_05_a_deployment_waits_until_the_job_before_has_stopped(
    http: httpx.Client, still: Serving
) -> None:
    http.post("/datasets", json=DATASET)
    job_id = http.post(DEPLOY).json()["job_id"]
    worker = hand(still)
    claim = worker.start()
    http.put(f"/jobs/{job_id}/stop")

    assert error_of(http.post(DEPLOY)) == (409, "ACTIVE_JOB_CONFLICT")
    worker.end(claim, None)

    assert status(http, job_id) == "STOPPED"
    assert http.post(DEPLOY).json()["job_id"] > job_id


def test_05_nothing_overwrites_a_job_that_is_stopping(http: httpx.Client, still: Serving) -> None:
    (job_id,) = submit(http)
    spec = {**JOB, "name": "job-0"}
    worker = hand(still)
    claim = worker.start()
    http.put(f"/jobs/{job_id}/stop")

    assert http.put(f"/jobs/{job_id}/retry").status_code == 409
    assert http.post("/apply", json={**spec, "command": ["other"]}).status_code == 409
    assert error_of(http.put(f"/jobs/{job_id}/resume")) == (409, "STATE_CONFLICT")
    again = http.post("/jobs", json=spec).json()

    assert again["id"] != job_id
    assert status(http, job_id) == "STOP_REQUESTED"
    worker.end(claim, None)
    assert status(http, job_id) == "STOPPED"
    assert status(http, again["id"]) == "SCHEDULED"


def test_06_a_job_of_a_dead_worker_goes_to_another(http: httpx.Client, still: Serving) -> None:
    (job_id,) = submit(http)
    hand(still, "dead", dead=True).start()

    decide(still)
    hand(still, "alive").run()

    job = http.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["failed"]) == ("COMPLETED", 0)
    attempts = http.get(f"/jobs/{job_id}/attempts").json()["attempts"]
    assert [(a["status"], a["worker_id"]) for a in attempts] == [
        ("LOST", "dead"),
        ("SUCCEEDED", "alive"),
    ]


def test_06_a_retry_is_not_bound_to_the_worker_that_failed(
    http: httpx.Client, still: Serving
) -> None:
    (job_id,) = submit(http, restart_policy="Never", backoff_limit=3, backoff={"base": 0})
    first = hand(still, "first")
    first.run(1)

    hand(still, "second").run()

    attempts = http.get(f"/jobs/{job_id}/attempts").json()["attempts"]
    assert [(a["status"], a["worker_id"]) for a in attempts] == [
        ("FAILED", "first"),
        ("SUCCEEDED", "second"),
    ]


@pytest.mark.parametrize("factor", [1.0, 2.0, 1e300])
def test_07_a_delay_has_a_cap_however_often_a_job_failed(factor: float) -> None:
    backoff = Backoff(base=1, factor=factor, cap=360, jitter=0.5)

    for failures in [*range(1, 200), 10**6, 2**63]:
        least, most = delay(backoff, failures), delay(backoff, failures, drawn=1.0)
        assert 0 < least <= 360 * SECOND
        assert most <= 1.5 * least + 1
    assert delay(backoff, 5, drawn=0.1) != delay(backoff, 5, drawn=0.9)


def test_07_a_job_that_waits_for_its_retry_holds_up_no_other(
    http: httpx.Client, still: Serving
) -> None:
    slow, quick = {"base": 31_536_000, "cap": 31_536_000}, {"base": 0}
    (waits,) = submit(http, restart_policy="Never", backoff_limit=2**31 - 1, backoff=slow)
    worker = hand(still)
    worker.run(1)
    (fails,) = submit(http, restart_policy="Never", backoff_limit=3, backoff=quick)
    for exit_code in (1, 1, 0):
        worker.run(exit_code)
        decide(still)

    assert status(http, fails) == "COMPLETED"
    assert http.get(f"/jobs/{waits}").json()["waiting_reason"].startswith("retries at ")


def test_08_a_job_is_in_every_list_once_however_often_it_was_tried(
    http: httpx.Client, still: Serving
) -> None:
    fields: dict[str, Any] = {"namespace": "here", "labels": {"zone": "eu"}, "backoff_limit": 9}
    (job_id,) = submit(http, restart_policy="Never", backoff={"base": 0}, **fields)
    worker = hand(still)
    for _ in range(3):
        worker.run(1)
        decide(still)
    made_at = http.get(f"/jobs/{job_id}").json()["created_at"]
    (first, *_) = http.get(f"/jobs/{job_id}/events").json()["events"]

    for query in (
        "status=all", "status=active", "name=job-0", "namespace=here", "label=zone=eu",
        "label=zone!=us", "trigger=api", "worker_id=w1", "worker_id=w*",
        "created_after=2020-01-01T00:00:00Z", "name=job-0&label=zone=eu&worker_id=w1",
    ):  # fmt: skip
        page = http.get(f"/jobs?{query}").json()
        assert [(job["id"], job["created_at"]) for job in page["jobs"]] == [(job_id, made_at)]
    assert first["created_at"] == made_at


def test_08_a_dataset_s_jobs_are_listed_once_however_often_they_were_tried(
    http: httpx.Client, still: Serving
) -> None:
    http.post("/datasets", json=DATASET)
    job_id = http.post(DEPLOY).json()["job_id"]
    worker = hand(still)
    worker.run(1)
    made_at = http.get(f"/jobs/{job_id}").json()["created_at"]

    found = http.get("/datasets/_/eth/versions/1.0.0/jobs").json()["jobs"]

    assert [(job["id"], job["created_at"]) for job in found] == [(job_id, made_at)]


def test_09_an_unknown_word_is_an_error_and_the_last_page_says_so(http: httpx.Client) -> None:
    submit(http, 2)

    for word in ("runing", "unknown", "FAILED_RECOVERABLE", "completed,bogus"):
        assert error_of(http.get(f"/jobs?status={word}")) == (400, "INVALID_QUERY_PARAMETERS")
    assert "next_cursor" not in http.get("/jobs?limit=2").json()
    assert "next_cursor" not in http.get("/jobs?status=completed").json()


def test_10_a_prune_needs_no_words_but_a_deletion_does(http: httpx.Client, still: Serving) -> None:
    over, active = submit(http, 2)
    http.put(f"/jobs/{over}/stop")
    answer = http.delete("/jobs")
    assert error_of(answer) == (400, "INVALID_QUERY_PARAM")
    assert "status is missing" in answer.json()["detail"]

    async def prune(store: Store) -> int:
        return await Desk(store, None, executors=()).prune()  # type: ignore[arg-type]

    assert on_the_store(still, prune) == 1
    assert ids(http.get("/jobs?status=all")) == [active]


def revision_and_file(http: httpx.Client, still: Serving) -> tuple[int, int]:
    """Have a revision of the dataset's table with a file."""
    folder = still.settings.state_dir / "data" / "_" / "eth" / "blocks" / "1"
    put(folder, 0, 10)
    table = {"dataset": "_/eth@dev", "table_name": "blocks", "path": str(folder)}
    number: int = http.post("/revisions", json=table).json()["location_id"]
    http.post(f"/revisions/{number}/restore")
    (file,) = http.get(f"/revisions/{number}/files").json()["files"]
    return number, file["id"]


def test_11_every_path_that_can_be_read_can_be_read(http: httpx.Client, still: Serving) -> None:
    (job_id,) = submit(http)
    worker = hand(still)
    worker.run()
    (event, *_) = http.get(f"/jobs/{job_id}/events").json()["events"]
    made = http.post("/datasets", json=DATASET).json()
    http.post("/providers", json=PROVIDER)
    there = {"job_id": job_id, "event_id": event["id"], "worker_id": "w1"}
    there |= {key: made[key] for key in ("namespace", "name", "revision", "manifest_hash")}
    there |= {"provider_name": PROVIDER["name"]}
    there |= dict(zip(("revision_id", "file_id"), revision_and_file(http, still), strict=True))
    streams = {path for path in http.get("/openapi.json").json()["paths"] if "stream" in path}

    for path, methods in http.get("/openapi.json").json()["paths"].items():
        if "get" in methods and path not in streams:
            assert http.get(path.format(**there)).status_code == 200, path


def test_12_what_belongs_to_a_deleted_job_goes_with_it(http: httpx.Client, still: Serving) -> None:
    a, b = (
        job["id"]
        for job in http.post(
            "/jobs",
            json={"jobs": [JOB, {**JOB, "name": "b", "depends_on": [{"job": "one"}]}]},
        ).json()["jobs"]
    )
    hand(still).run()
    decide(still)

    http.delete(f"/jobs/{a}")

    for path in ("", "/progress", "/events", "/attempts", "/logs", "/explain"):
        assert error_of(http.get(f"/jobs/{a}{path}")) == (404, "JOB_NOT_FOUND")
    # Whoever waited for it has what it waited for.
    assert status(http, b) == "SCHEDULED"
    assert http.get(f"/jobs/{b}/explain").json()["dependencies"] == [
        {"job_id": a, "condition": "completed", "job_status": None, "satisfied": True}
    ]


def test_13_tidying_up_is_on_when_nobody_says_so(client: Client) -> None:
    job = client.submit({**JOB, "ttl": 0})

    deadline = clock.monotonic() + PATIENCE
    while [found for found in client.jobs(status="all") if found["id"] == job["id"]]:
        assert clock.monotonic() < deadline


def test_14_no_two_workers_have_one_attempt(http: httpx.Client, still: Serving) -> None:
    (job_id,) = submit(http)
    first, second = hand(still, "first"), hand(still, "second")
    claim = first.start()

    assert second.claim() == []
    assert second.end(claim).rejected == [claim.attempt_id]

    assert status(http, job_id) == "RUNNING"
    first.end(claim)
    assert status(http, job_id) == "COMPLETED"


def test_15_the_time_zone_of_the_database_is_of_no_account(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**connecting._SETTINGS, "timezone": FAR_FROM_UTC}
    monkeypatch.setattr(connecting, "_SETTINGS", settings)
    flags = {"state_dir": tmp_path, "database": postgres_dsn}

    async def work() -> tuple[Any, Any, Any]:
        async with app.open_yard(config.load(flags, {})) as yard:
            transport = httpx.ASGITransport(make_app(yard.store, yard.logs))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                now = clock.now()
                made = await http.post("/jobs", json=JOB)
                after = clock.rfc3339(clock.to_us(now) - 60 * SECOND)
                before = clock.rfc3339(clock.to_us(now) + 60 * SECOND)
                later = await http.get("/jobs", params={"created_after": after})
                none = await http.get("/jobs", params={"created_after": before})
                age = clock.now() - clock.from_us(await yard.store.now())
                assert abs(age.total_seconds()) < 60
                return made.json(), later.json(), none.json()

    made, later, none = asyncio.run(work())
    assert made["created_at"].endswith("Z")
    assert [job["id"] for job in later["jobs"]] == [made["id"]]
    assert none["jobs"] == []


def test_16_whoever_has_no_token_is_told_nothing_and_secrets_are_not_shown(tmp_path: Path) -> None:
    token = "s3cret-" + "x" * 30
    with serving(tmp_path / "s", engine=False, tokens=Tokens([(Role.ADMIN, token)])) as running:
        with httpx.Client(base_url=running.url, trust_env=False) as http:
            for path in ("/jobs", "/workers", "/openapi.json"):
                assert error_of(http.get(path)) == (401, "UNAUTHORIZED")
            assert error_of(http.post("/jobs", json=JOB)) == (401, "UNAUTHORIZED")
            http.headers["authorization"] = f"Bearer {token}"
            answers = [http.get(path) for path in ("/jobs", "/workers", "/openapi.json")]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert [answer.url for answer in answers if token in answer.text] == []
    settings = config.load({"token": token}, {})
    assert token not in repr(settings)
    shown = json.dumps(upkeep._settings(settings))
    assert token not in shown
    assert "***" in shown


def test_16_no_secret_of_a_provider_comes_back(http: httpx.Client) -> None:
    answers = [http.post("/providers", json=PROVIDER)]
    answers += [http.get("/providers"), http.get(f"/providers/{PROVIDER['name']}")]

    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert [answer.url for answer in answers if "s3cret" in answer.text] == []
