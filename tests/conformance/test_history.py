"""No query's cost grows with history: what each call touches, beside 200,000 finished jobs.

Nor with the 10,000 that wait for an executor that nobody has.

On SQLite the steps of its virtual machine are counted, on PostgreSQL the rows and index entries
that a transaction read. A scan of any of the tables is a hundred times the bound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from jobyard.core.extract import Extract
from jobyard.core.state import Request
from jobyard.core.states import ACTIVE, JobStatus
from jobyard.spec.extraction import job_of
from jobyard.store.base import JobQuery, LabelFilter, Reports, Retention, Submission
from jobyard.store.postgres.connecting import connect
from jobyard.store.postgres.driver import PostgresDriver
from jobyard.store.query import load_statements
from jobyard.testing.stage import Stage, ended, make_spec, postgres_stage, sqlite_stage, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from jobyard.store.sqlite.driver import SqliteDriver
    from jobyard.testing.postgres import PrivatePostgres
    from jobyard.testing.stage import StageWorker

JOBS = 200_000
EXTRACT = Extract("eth", "main", "dev", "ab", "evm-rpc", "evm", "mainnet", ("blocks",))
WAITING = 10_000
MOST = {"sqlite": 40_000, "postgres": 3_000}
"""Steps, and rows with index entries, that a call on ten rows may touch."""

_SERIES = {
    "sqlite": "WITH RECURSIVE s (n) AS (SELECT {0} UNION ALL SELECT n + 1 FROM s WHERE n < {1})",
    "postgres": "WITH s (n) AS (SELECT generate_series({0}, {1}))",
}
_JOBS = """
INSERT INTO jobs (id, status, outcome, waiting_on, active, terminating, succeeded, failed, restarts,
    completed_indexes, failed_indexes, live_indexes, leaving_indexes, held, overall, tries,
    finished_at, expires_at, created_at, updated_at, worker_id{listed})
{series} SELECT n, 'COMPLETED', 'COMPLETED', 0, 0, 0, 1, 0, 0, '', '', '', '', {false},
    '[1,0,0,0,0,0,0]', '', 1, 9000000000000000, n, 1, 'w-' || (n % 5){listing} FROM s
"""
_SPECS = """
INSERT INTO job_specs (job_id, namespace, name, labels, executor, priority, request_cpu,
    request_memory, "trigger", policy, spec, workflow_id, dataset, manifest_hash)
{series} SELECT n, 'default', 'old', '{{"a": "b"}}', 'fake', 0, 0, 0, 'api', '{{}}', '{{}}',
    7, 'eth/main', 'ab' FROM s
"""
_LABELS = """
INSERT INTO job_labels (label, job_id)
{series} SELECT 'a=b', n FROM s
"""
_ATTEMPTS = """
INSERT INTO attempts (job_id, idx, number, status, executor, priority, turn, session, counted,
    finished_at)
{series} SELECT {job}, {idx}, 1, 'SUCCEEDED', 'fake', 0, 0, '{session}', {true}, 1 FROM s
"""
_EVENTS = """
INSERT INTO job_events (job_id, event, status, at)
{series} SELECT n, 'completed', 'COMPLETED', 1 FROM s
"""
_EDGES = """
INSERT INTO dependencies (job_id, on_job, condition, satisfied, applied)
{series} SELECT n, n - 1, 'completed', {true}, {true} FROM s
"""
_KEYS = """
INSERT INTO idempotency_keys (key, request_hash, job_id, created_at)
{series} SELECT 'old' || n, '', n, 9000000000000000 FROM s
"""


_TOUCHED = """
SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::bigint
FROM pg_class WHERE relnamespace = 'public'::regnamespace
"""


class Counting(PostgresDriver):
    """Tells how many rows and index entries the last transaction read."""

    touched = 0

    async def _read(self, connection: Any, make: Any) -> Any:
        await connection.execute("BEGIN")
        try:
            return await self._drive(connection, make())
        finally:
            await connection.execute("ROLLBACK")

    async def _drive(self, connection: Any, transaction: Any) -> Any:
        # These count what the connection has not yet told the server's statistics.
        before = await connection.fetchval(_TOUCHED)
        result = await super()._drive(connection, transaction)
        self.touched += await connection.fetchval(_TOUCHED) - before
        return result


class Old:
    """A store with a history, the large job that still runs in it, and its worker."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        policy = {"completions": 200_000, "parallelism": 1200}
        self.large = stage.submit_one(make_spec("large", indexed=True, policy=policy))
        self.worker: StageWorker = stage.worker("w")
        self.claims = self.worker.claim(20)
        self.worker.start(*self.claims)
        words = {"false": "false", "true": "true", "session": self.worker.session}
        words |= {"listed": ", listed_status, listed_worker"}
        words |= {"listing": ", 'COMPLETED', 'w-' || (n % 5)"}
        if stage.kind == "sqlite":
            words |= {"false": "0", "true": "1", "listed": "", "listing": ""}
        last = self.large + JOBS
        self._add(_JOBS, self.large + 1, last, words)
        self._add(_SPECS, self.large + 1, last, words)
        self._add(_LABELS, self.large + 1, last, words)
        self._add(_EVENTS, self.large + 1, last, words)
        self._add(_EDGES, self.large + 1, last, words)
        self._add(_KEYS, self.large + 1, last, words)
        self._add(_ATTEMPTS, self.large + 1, last, {**words, "job": "n", "idx": "NULL"})
        large = {**words, "job": str(self.large), "idx": "n"}
        self._add(_ATTEMPTS, 2000, 102_000, large)
        if stage.kind == "sqlite":
            stage.sql(f"UPDATE job_ids SET last = {last}")
        else:
            # No ANALYZE: the plans made while the tables were empty have to do.
            stage.sql(f"SELECT setval('job_ids', {last})")
        waiting = make_spec("waiting", executor="nobody has it", policy={"active_deadline": 1e6})
        for _ in range(0, WAITING, 1000):
            stage.submit(*[waiting] * 1000)

    def _add(self, statement: str, first: int, last: int, words: dict[str, str]) -> None:
        series = _SERIES[self.stage.kind].format(first, last)
        self.stage.sql(statement.format(series=series, **words))

    def touched(self, call: Callable[[], Any]) -> int:
        driver = self.stage.store._driver
        if isinstance(driver, Counting):
            driver.touched = 0
            call()
            return driver.touched
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 100
            return 0

        connection = cast("SqliteDriver", driver)._connection
        assert connection is not None
        connection.set_progress_handler(step, 100)
        try:
            call()
        finally:
            connection.set_progress_handler(None, 0)
        return steps


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Old]:
    if request.param == "sqlite":
        with sqlite_stage(tmp_path_factory.mktemp("history")) as stage:
            yield Old(stage)
        return
    server: PrivatePostgres = request.getfixturevalue("postgres")
    with postgres_stage(server.create_database("history"), Counting) as stage:
        yield Old(stage)


def calls(old: Old) -> dict[str, Coroutine[Any, Any, Any]]:
    store, worker, large = old.stage.store, old.worker, old.large
    small = [make_spec(f"s{n}", executor="http") for n in range(10)]
    older = make_spec("old", executor="http")
    page: dict[str, Any] = {"limit": 10}
    rare, common = LabelFilter("a", "c"), LabelFilter("a", "b")
    lists: dict[str, dict[str, Any]] = {
        "by a rare label": {"labels": [rare]},
        "by a common label": {"labels": [common]},
        "without a rare label": {"labels": [LabelFilter("a", "c", equal=False)]},
        "by a rare trigger": {"trigger": "run"},
        "by a common trigger": {"trigger": "api"},
        "by a common namespace": {"namespace": "default"},
        "by a rare worker": {"worker_id": "x"},
        "by a common worker": {"worker_id": "w-3"},
        "by the beginning of a worker": {"worker_id": "w-*"},
        "by a rare workflow": {"workflow_id": 8},
        "by a common workflow": {"workflow_id": 7},
        "by a rare dataset": {"dataset": "eth"},
        "by a common dataset": {"dataset": "eth/main"},
        "by a rare revision": {"dataset": "eth/main", "manifest_hash": "aa"},
        "by a common revision": {"dataset": "eth/main", "manifest_hash": "ab"},
        "by a later revision": {"dataset": "eth/main", "manifest_hash": "ac"},
        "what is new": {"created_after": 10**15},
        "what is not old": {"created_after": 0},
        "what ended long ago": {"finished_before": 0},
        "queued": {"statuses": [JobStatus.QUEUED]},
        "running": {"statuses": [JobStatus.RUNNING]},
        "scheduled": {"statuses": [JobStatus.SCHEDULED]},
        "by a rare and a common filter": {"labels": [rare, common], "trigger": "api"},
        "by two rare ones": {"statuses": [JobStatus.FAILED], "namespace": "rare"},
    }
    return {
        "submit": store.submit(Submission(small)),
        "submit with a key": store.submit(Submission([make_spec(idempotency_key="k")])),
        "deploy": store.deploy(job_of(EXTRACT)),
        "deploy another": store.deploy(job_of(replace(EXTRACT, manifest_hash="ac"))),
        "apply": store.apply([replace(spec, namespace="rare") for spec in (*small, older)]),
        "change": store.change(large, lambda spec, _: replace(spec, labels={"a": "b"})),
        "claim": worker.speak(want=wanted(10, "http")),
        "settle": worker.speak(Reports(ended=[ended(c) for c in old.claims[:10]]), wanted(10)),
        "decide": store.decide([large]),
        "decide on what is due": store.decide_due(),
        "read a job": store.job(large),
        "list": store.jobs(JobQuery(**page)),
        "list active": store.jobs(JobQuery(statuses=ACTIVE, **page)),
        "list failed": store.jobs(JobQuery(statuses=[JobStatus.FAILED], **page)),
        "list completed": store.jobs(JobQuery(statuses=[JobStatus.COMPLETED], **page)),
        "list by name": store.jobs(JobQuery(name="large", **page)),
        "list a common name": store.jobs(JobQuery(name="old", **page)),
        "list by namespace": store.jobs(JobQuery(namespace="rare", **page)),
        **{f"list {text}": store.jobs(JobQuery(**query, **page)) for text, query in lists.items()},
        "count": store.count(JobQuery(statuses=ACTIVE)),
        "count of a rare label": store.count(JobQuery(labels=[rare])),
        "measure": store.measure(),
        "prune": store.prune(JobQuery(statuses=[JobStatus.COMPLETED]), 10),
        "prune by filter": store.prune(JobQuery(name="old", finished_before=5), 10),
        "prune of nothing": store.prune(JobQuery(trigger="run")),
        "retain": store.retain(Retention(age=1e15, count=10**9)),
        "retain by age": store.retain(Retention(age=1.0)),
        "delete one": store.delete(old.large + 50_000),
        "sweep": store.sweep(),
        "attempts": store.attempts(large, after=50_000, limit=10),
        "attempts of an index": store.attempts(large, index=70_000),
        "latest attempts": store.latest_attempts(large, limit=10),
        "latest attempts of an index": store.latest_attempts(large, index=70_000),
        "events": store.events(large),
        "events of all": store.events_since(old.stage.do(store.last_place())),
        "the last place": store.last_place(),
        "renew": store.renew(worker.session),
        "workers": store.workers(),
        "crew": store.crew([large]),
        "attempts of a worker": store.attempts_of_worker("w", limit=10),
        "expire": store.expire_leases(unbroken=99.0),
        "held": store.held(worker.session),
        "checkpoint": store.checkpoint(worker.session, old.claims[12].attempt_id, "x"),
        "delete": store.delete_expired(10),
    }


def test_the_cost_of_a_call_does_not_grow_with_history(old: Old) -> None:
    costs = {
        name: old.touched(lambda call=call: old.stage.do(call))  # type: ignore[misc]
        for name, call in calls(old).items()
    }

    assert {name: cost for name, cost in costs.items() if cost > MOST[old.stage.kind]} == {}


def test_a_claim_goes_by_the_queue_whatever_the_planner_believes(postgres: PrivatePostgres) -> None:
    """Its plan may be made when all attempts wait, and be in use when 100,000 are over."""
    with postgres_stage(postgres.create_database("planner")) as stage:
        policy = {"completions": 1200, "parallelism": 1200}
        stage.sql("ANALYZE job_specs")
        stage.submit_one(make_spec("large", indexed=True, policy=policy))
        worker = stage.worker("w")
        worker.start(*worker.claim(20))
        stage.sql("ANALYZE attempts")
        stage.sql(_SPECS.format(series=_SERIES["postgres"].format(2, 3000)))

        plan = stage.do(_plan_of_a_claim(stage.place))

    assert "attempts_waiting" in plan
    assert "Sort" not in plan


async def _plan_of_a_claim(dsn: str) -> str:
    claim = load_statements("jobyard.store.postgres")["waiting_attempts"].sql
    shapes = "text, text, text, float8, bigint, bigint, boolean"
    connection = await connect(dsn)
    try:
        await connection.execute(f"PREPARE claim ({shapes}) AS {claim}")
        rows = await connection.fetch("EXPLAIN EXECUTE claim ('fake', 'w', '{}', 1, 1, 10, false)")
        return "\n".join(row[0] for row in rows)
    finally:
        await connection.close()


def test_when_the_next_job_is_due_is_one_look_whatever_the_planner_believes(
    postgres: PrivatePostgres,
) -> None:
    """Statistics may be of a time when no job was to be decided on."""
    with postgres_stage(postgres.create_database("due"), Counting) as stage:
        worker = stage.worker()
        for _ in range(20):
            stage.submit_one(make_spec())
            worker.end(worker.claim_one())
        stage.sql("ANALYZE jobs")
        waiting = make_spec("waiting", executor="http", policy={"active_deadline": 1e6})
        stage.submit(*[waiting] * 500)
        driver = cast("Counting", stage.store._driver)
        driver.touched = 0
        stage.do(stage.store.decide_due())

    assert driver.touched < 50


def test_a_list_of_what_is_newer_than_all_looks_at_the_newest_only(old: Old) -> None:
    newer = old.stage.store.jobs(JobQuery(created_after=9 * 10**15))

    # One batch, each job looked up; all 200,000 of them are a hundred times MOST.
    assert old.touched(lambda: old.stage.do(newer)) < 10 * MOST[old.stage.kind]


def test_a_story_looks_at_a_bounded_part_of_a_large_job(old: Old) -> None:
    """Of its 100,000 attempts that are over, the newest 5,000, and the 1,000 that wait."""
    story = old.stage.store.story(old.large)

    # A scan of the 200,000 is a hundred times MOST.
    assert old.touched(lambda: old.stage.do(story)) < 10 * MOST[old.stage.kind]


def test_the_cost_of_ending_a_large_job_s_attempts_follows_what_lives_of_it(old: Old) -> None:
    """The history of a job is history too: it has a thousand attempts that live."""
    ask = old.stage.store.ask(old.large, Request.STOP)

    assert old.touched(lambda: old.stage.do(ask)) < 40 * MOST[old.stage.kind]
    leave = old.stage.store.leave(old.worker.session)
    assert old.touched(lambda: old.stage.do(leave)) < MOST[old.stage.kind]
