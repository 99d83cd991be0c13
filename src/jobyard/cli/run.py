"""`jobyard run`: an engine for the length of one command, on the state folder."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobyard import app, clock, config, ids, log
from jobyard.cli.live import Live
from jobyard.cli.printer import colours, say, seconds, show_json, table
from jobyard.core.state import Request
from jobyard.core.states import JobStatus
from jobyard.errors import ExitCode, JobNotFound, JobyardError, Unusable
from jobyard.store.base import JobQuery, Submission

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobyard.app import Yard
    from jobyard.config import Settings
    from jobyard.core.job import JobSpec
    from jobyard.core.records import Job
    from jobyard.engine.controller import Controller
    from jobyard.engine.worker import Worker

LOOK = 0.25
"""Seconds between looks at the jobs when nothing was heard."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--executor", help="Run every job with this executor: process or fake.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Where the state is kept.")
@click.option("--slots", type=click.IntRange(min=1), help="Programs at a time.")
@click.option(
    "--set", "sets", multiple=True, metavar="FIELD=VALUE", help="Set a field of each job."
)
@click.option("--json", "as_json", is_flag=True, help="Print the job objects and nothing else.")
@click.option("--exit-code-from", metavar="NAME", help="End with that job's program's exit code.")
def run(
    files: tuple[str, ...],
    executor: str | None,
    state_dir: Path | None,
    slots: int | None,
    sets: tuple[str, ...],
    as_json: bool,
    exit_code_from: str | None,
) -> int:
    """Run the jobs of FILE… to their end, here and now.

    Shows their output with a prefix and a line of progress, prints a summary, and exits 0 only
    if all jobs completed.
    """
    settings = config.load({"state_dir": state_dir, "slots": slots})
    log.configure("warning")
    try:
        specs = load_specs(settings, files, executor, sets)
    except JobyardError:
        if as_json:
            show_json({"jobs": []})
        raise
    refuse_what_cannot_fit(specs)
    if exit_code_from is not None and exit_code_from not in {spec.name for spec in specs}:
        names = ", ".join(sorted({spec.name for spec in specs}))
        raise click.UsageError(f"--exit-code-from: no job is named `{exit_code_from}` ({names})")
    session = _Run(settings, specs, as_json=as_json)
    jobs = app.run_async(session.run())
    if as_json:
        show_json({"jobs": session.objects})
    else:
        show_summary(jobs, session.now)
    if session.interrupted:
        return ExitCode.INTERRUPTED
    if exit_code_from is not None:
        return session.exit_codes.get(exit_code_from, ExitCode.FAILED)
    done = all(job.state.status is JobStatus.COMPLETED or is_suspended(job) for job in jobs)
    return ExitCode.DONE if done else ExitCode.FAILED


def refuse_what_cannot_fit(specs: Iterable[JobSpec]) -> None:
    """Refuse jobs that would wait for ever, since no worker but this one will look at them.

    Raises:
        Unusable: an attempt asks for more than this machine has.
    """
    cpu, memory = config.cores(), config.total_memory()
    for spec in specs:
        wanted = spec.program.resources
        if wanted.request_cpu > cpu:
            what = f"{wanted.request_cpu:g} CPUs, this machine has {cpu}"
        elif wanted.request_memory > memory:
            what = f"{wanted.request_memory} bytes of memory, this machine has {memory}"
        else:
            continue
        raise Unusable(
            f"an attempt of `{spec.name}` asks for {what}",
            hint="lower its resources, or submit it where a larger worker runs",
        )


def load_specs(
    settings: Settings, files: Iterable[str], executor: str | None, sets: Iterable[str]
) -> tuple[JobSpec, ...]:
    """Read the jobs of files; `-` is standard input.

    Raises:
        InvalidDocument: a file has problems; all of them are in it.
    """
    from jobyard.cli.sources import name_of, read_source
    from jobyard.spec.document import Limits
    from jobyard.spec.load import load

    limits = Limits.of(settings)
    overrides = dict(_assignment(text) for text in sets)
    specs: list[JobSpec] = []
    for name in files:
        loaded = load(
            read_source(name, limits.size),
            now=clock.now(),
            executor=executor,
            overrides=overrides,
            limits=limits,
            source=name_of(name),
        )
        specs += loaded.specs
        for warning in loaded.warnings:
            if warning.code != "Note":
                say(f"warning: {warning}")
    return tuple(specs)


def _assignment(text: str) -> tuple[str, Any]:
    import json

    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set takes FIELD=VALUE, not `{text}`")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


class _Run:
    """One run of some jobs: submit, work, show, until all that can end has ended."""

    def __init__(self, settings: Settings, specs: Sequence[JobSpec], *, as_json: bool) -> None:
        """Prepare to run ``specs``."""
        self._settings = settings
        self._specs = specs
        self._woken = asyncio.Event()
        self._live = Live(sys.stderr if as_json else sys.stdout, self._woken.set)
        self._jobs: dict[int, Job] = {}
        self._asked: Request | None = None
        self.interrupted = 0
        self.now = 0
        self.objects: list[dict[str, Any]] = []
        self.exit_codes: dict[str, int] = {}

    async def run(self) -> list[Job]:
        """Run the jobs; they are kept from the janitor until this returns."""
        async with app.open_yard(self._settings) as yard:
            owner = f"run-{ids.session()[:8]}"
            jobs = await yard.store.submit(Submission(self._specs, trigger="run", owner=owner))
            self._jobs = {job.id: job for job in jobs}
            self._live.name(jobs)
            worker = self._worker(yard, owner)
            controller = yard.controller(cleans=False)
            self._catch_signals(worker)
            async with asyncio.TaskGroup() as services:
                services.create_task(worker.run(), name="worker")
                services.create_task(controller.run(), name="controller")
                await self._follow(yard, controller)
                worker.end_fetching()
                if self._unfinished():
                    worker.end_working()
                await self._conclude(yard)
                controller.end()
            self._live.close()
            return list(self._jobs.values())

    def _worker(self, yard: Yard, owner: str) -> Worker:
        wanted = {spec.executor for spec in self._specs}
        settings = app.worker_settings(
            self._settings, worker_id=owner, own_only=True, executors=wanted
        )
        return yard.worker(settings, listener=self._live)

    def _catch_signals(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, worker)

    def _interrupt(self, worker: Worker) -> None:
        self.interrupted += 1
        self._live.close()
        if self.interrupted == 1:
            say("stopping; once more to stop at once")
            self._asked = Request.STOP
        else:
            worker.end_working(0.0)
        self._woken.set()

    async def _follow(self, yard: Yard, controller: Controller) -> None:
        """Look at the jobs until all have ended that can."""
        del controller
        while True:
            self._woken.clear()
            if self._asked is not None:
                request, self._asked = self._asked, None
                for job in self._unfinished():
                    await yard.store.ask(job.id, request)
            began = clock.monotonic()
            await self._refresh(yard)
            self._live.progress(self._jobs)
            waiting = self._unfinished()
            if all(is_suspended(job) or self._waits_for_suspended(job) for job in waiting):
                return
            # A run of many jobs must not spend its time on looking at them.
            await clock.sleep(min(max(0.01, 4 * (clock.monotonic() - began)), 1.0))
            try:
                await asyncio.wait_for(self._woken.wait(), LOOK)
            except TimeoutError:
                continue

    async def _refresh(self, yard: Yard) -> None:
        ids_left = [job.id for job in self._unfinished()]
        for at in range(0, len(ids_left), 1000):
            part = ids_left[at : at + 1000]
            for job in await yard.store.jobs(JobQuery(ids=part, limit=len(part))):
                self._jobs[job.id] = job

    def _unfinished(self) -> list[Job]:
        return [job for job in self._jobs.values() if not job.state.terminal]

    def _waits_for_suspended(self, job: Job) -> bool:
        """Tell whether a job waits for one that does not go on."""
        if not job.state.waiting_on:
            return False
        names = {edge["job"] for edge in job.spec.get("depends_on", ())}
        return any(
            is_suspended(other) or self._waits_for_suspended(other)
            for other in self._jobs.values()
            if other.name in names and not other.state.terminal
        )

    async def _conclude(self, yard: Yard) -> None:
        """Read what the summary, the data and the exit code need."""
        from jobyard.wire.jobs import job_object

        self.now = await yard.store.now()
        for job_id in self._jobs:
            try:
                self._jobs[job_id] = await yard.store.job(job_id)
            except JobNotFound:
                # Somebody deleted it meanwhile; the last picture of it stands.
                continue
        self.objects = [job_object(job, self.now) for job in self._jobs.values()]
        for job in self._jobs.values():
            attempts = await yard.store.attempts(job.id, limit=1000)
            codes = [a.exit_code for a in attempts if a.exit_code is not None]
            if codes:
                self.exit_codes[job.name] = codes[-1]


def is_suspended(job: Job) -> bool:
    """Tell whether a job waits for somebody to resume it."""
    state = job.state
    return state.policy.suspend and not state.active and not state.terminating


def show_summary(jobs: Sequence[Job], now: int) -> None:
    """Print a line for each job, and why it ended as it did."""
    rows = []
    for job in jobs:
        state = job.state
        total = state.policy.total
        since = state.started_at
        took = None if since is None else ((state.finished_at or now) - since) / 1_000_000
        why = state.message or ""
        if state.reason and state.status is not JobStatus.COMPLETED:
            why = f"{state.reason}: {why}" if why else state.reason
        if is_suspended(job) and not state.terminal:
            why = f"suspended; `jobyard job resume {job.id}` lets it go on"
        rows.append(
            (
                str(job.id),
                job.name,
                str(state.status),
                f"{state.succeeded}/{'-' if total is None else total}",
                str(state.failed),
                seconds(took),
                why,
            )
        )
    header = ("ID", "NAME", "STATUS", "DONE", "FAILED", "TOOK", "WHY")
    sys.stdout.write(table(header, rows, on=colours(sys.stdout)) + "\n")
