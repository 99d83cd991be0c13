from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.yard import START, Yard, a_job

from jobyard.core.backoff import SECOND
from jobyard.core.job import Policy
from jobyard.core.records import Crew, Held, Wish, WorkerRecord
from jobyard.core.state import Request
from jobyard.core.states import JobStatus
from jobyard.core.waiting import Fitness, fitness, unplaced, waiting_reason, why_unplaced

GI = 2**30
LATER: dict[str, Any] = {"scheduled_at": START + 90 * SECOND}


@pytest.mark.parametrize(
    ("yard", "reason"),
    [
        (a_job(), "waits for its first decision"),
        (a_job(Policy(suspend=True)).decide(), "suspended"),
        (a_job(Policy(), "R").change(suspend=True), "suspended"),
        (a_job(Policy(), **LATER).decide(), "not due before 2027-01-15T08:01:30Z"),
        (a_job(Policy(), waiting_on=1, **LATER).decide(), "waits for 1 job"),
        (a_job(Policy(), waiting_on=3).decide(), "waits for 3 jobs"),
        (a_job(Policy()).decide(), "waits for a worker"),
        (a_job(Policy(), "Q", status=JobStatus.QUEUED).decide(), "a worker is starting it"),
        (a_job(Policy(parallelism=0), "T"), "paused: its parallelism is 0"),
        (a_job(Policy(), "f").decide(), "retries at 2027-01-15T08:00:10Z (back-off)"),
        (
            a_job(Policy(), "R").change(suspend=True).change(suspend=False),
            "waits for 1 attempt to end",
        ),
        (
            a_job(Policy(parallelism=2), "T T", status=JobStatus.RUNNING),
            "waits for 2 attempts to end",
        ),
        (a_job(Policy(), status=JobStatus.RUNNING), "waits for a worker"),
        (a_job(Policy(parallelism=2, completions=2), "f R").decide(), None),
        (a_job(Policy(), "R").decide(), None),
        (a_job(Policy(), "s").decide(), None),
        (a_job(Policy(), "s T").decide(), None),
        (a_job(Policy(), "R").ask(Request.STOP), None),
    ],
)
def test_a_job_says_what_it_waits_for(yard: Yard, reason: str | None) -> None:
    assert waiting_reason(yard.job, yard.now) == reason


def a_worker(
    name: str = "w1", *, slots: int = 4, held: int = 0, held_cpu: float = 0.0, **fields: Any
) -> WorkerRecord:
    record = WorkerRecord(
        name, "session", "host", 1, "0", {"process": slots}, 8.0, 8 * GI, {}, 15.0,
        draining=False, started_at=0, heartbeat_at=0, lease_until=0,
        held={"process": Held(held, held_cpu, 0)},
    )  # fmt: skip
    return replace(record, **fields)


EU, US = a_worker("eu", labels={"zone": "eu"}), a_worker("us", labels={"zone": "us"})


@pytest.mark.parametrize(
    ("wish", "workers", "why"),
    [
        ({}, [], "no worker is there"),
        ({}, [a_worker()], None),
        (
            {"executor": "container"},
            [a_worker()],
            "no worker has slots for the executor `container`",
        ),
        ({"labels": {"zone": "eu"}}, [US], "no worker has the label zone=eu"),
        ({"labels": {"zone": "eu"}}, [US, EU], None),
        (
            {"labels": {"zone": "eu", "disk": "ssd"}},
            [EU, a_worker(labels={"disk": "ssd"})],
            "no worker has the labels zone=eu, disk=ssd together",
        ),
        (
            {"cpu": 64},
            [a_worker(), a_worker(cpu=2.0)],
            "asks for 64 CPUs, the largest worker has 8",
        ),
        (
            {"cpu": 64, "labels": {"zone": "eu"}},
            [EU, replace(US, cpu=64.0)],
            "asks for 64 CPUs, the largest fitting worker has 8",
        ),
        (
            {"memory": 16 * GI},
            [a_worker()],
            "asks for 16Gi of memory, the largest worker has 8Gi",
        ),
        ({"worker": "gpu-1"}, [a_worker()], "worker `gpu-1` is not there"),
        ({"worker": "gpu-*"}, [a_worker()], "no worker is there whose id begins with `gpu-`"),
        ({"worker": "w*"}, [a_worker()], None),
        (
            {"worker": "w1", "labels": {"zone": "eu"}},
            [a_worker(), EU],
            "no fitting worker has the label zone=eu",
        ),
        ({}, [a_worker(draining=True)], "worker w1 is draining, and no other fits"),
        ({}, [a_worker(draining=True), a_worker("w2")], None),
        (
            {},
            [a_worker(draining=True), a_worker("w2", draining=True)],
            "all 2 fitting workers are draining",
        ),
        ({}, [a_worker(held=4)], "worker w1 fits, but all its 4 slots are taken"),
        ({}, [a_worker(held=1, slots=1)], "worker w1 fits, but its one slot is taken"),
        (
            {},
            [a_worker(held=4), a_worker("w2", held=4)],
            "all slots of 2 fitting workers are taken",
        ),
        ({}, [a_worker(held=4), a_worker("w2", held=3)], None),
        (
            {"cpu": 4},
            [a_worker(held=1, held_cpu=6)],
            "worker w1 fits, but 2 of its 8 CPUs are free",
        ),
        (
            {"cpu": 4},
            [a_worker(held=1, held_cpu=6), a_worker("w2", held=4)],
            "none of 2 fitting workers has a slot and 4 CPUs free",
        ),
    ],
)
def test_what_no_worker_has_is_named(
    wish: dict[str, Any], workers: list[WorkerRecord], why: str | None
) -> None:
    assert why_unplaced(Wish(**{"executor": "process", **wish}), workers) == why


def test_each_worker_says_whether_it_fits_and_what_is_missing() -> None:
    wish = Wish("process", cpu=4, labels={"zone": "eu"})

    assert fitness(wish, EU) == Fitness("eu", fits=True, free=True, why="can take it")
    assert fitness(wish, US) == Fitness(
        "us", fits=False, free=False, why="has not the label zone=eu"
    )
    busy = replace(EU, held={"process": Held(4, 0, 0)})
    assert fitness(wish, busy).why == "all its 4 slots are taken"
    assert (fitness(wish, busy).fits, fitness(wish, busy).free) == (True, False)


def test_a_job_fits_if_and_only_if_some_worker_could_take_it_now() -> None:
    workers = [
        EU,
        US,
        a_worker("full", held=4),
        a_worker("small", cpu=0.5),
        a_worker(draining=True),
    ]
    for size in range(len(workers) + 1):
        for some in itertools.combinations(workers, size):
            for wish in (
                Wish("process"),
                Wish("process", cpu=1),
                Wish("process", labels={"zone": "eu"}),
            ):
                free = any(fitness(wish, worker).free for worker in some)
                assert (why_unplaced(wish, some) is None) == free


def test_jobs_that_ask_for_the_same_are_told_the_same() -> None:
    eu, moon = Wish("process", labels={"zone": "eu"}), Wish("moon")
    wishes = {1: eu, 2: moon, 3: replace(eu, labels=dict(eu.labels)), 4: replace(eu, cpu=99)}

    found = unplaced(Crew([EU, US], wishes))

    assert found == {job_id: why_unplaced(wish, [EU, US]) for job_id, wish in wishes.items()}
    assert len(set(found.values())) == 3
