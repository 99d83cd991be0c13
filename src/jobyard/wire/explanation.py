"""Why a job is as it is, as JSON: sentences, facts beside them, and commands that help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.clock import rfc3339
from jobyard.core.states import AttemptReason, AttemptStatus, JobStatus
from jobyard.core.waiting import FOR_A_WORKER, fitness, unplaced, why_unplaced
from jobyard.wire.jobs import reason_to_wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.core.records import Attempt, DependencyRecord, Job, Story, Wish, WorkerRecord

_FAILURE: dict[str | None, str] = {
    AttemptReason.OOM_KILLED: "it used more memory than its limit",
    AttemptReason.ATTEMPT_TIMEOUT: "it took longer than its attempt_timeout",
    AttemptReason.START_FAILED: "its program could not be started",
    AttemptReason.WORKER_LOST: "its worker was lost",
}


def explanation_object(story: Story, now: int) -> dict[str, Any]:
    """Write why a job waits, goes on or ended; ``now`` is in microseconds."""
    job, state = story.job, story.job.state
    reason = reason_to_wait(job, now, unplaced(story.crew))
    wish = story.crew.wishes.get(job.id)
    reasons = list(_reasons(story, reason))
    places = [] if state.terminal or wish is None else story.crew.workers
    return {
        "job_id": job.id,
        "job_status": state.status,
        "summary": f"job {job.id} `{job.name}` is {state.status}: {reasons[0]}",
        "waiting_reason": reason,
        "reasons": reasons,
        "workers": [_worker(wish, worker) for worker in places if wish is not None],
        "dependencies": [_dependency(edge) for edge in story.dependencies],
        "retry_at": rfc3339(state.retry_at) if reason is not None else None,
        "last_failures": [_failure(attempt) for attempt in story.failures],
        "hints": list(_hints(story)),
    }


def _reasons(story: Story, reason: str | None) -> Iterator[str]:
    """Say it in sentences, what decides first; there is always one."""
    state = story.job.state
    if state.terminal:
        yield _end(story.job)
    elif state.outcome is not None:
        yield f"its end is decided: {_ended(state.reason, state.message)}"
        yield f"{_attempts(state.active + state.terminating)} still to end"
    elif state.request is not None:
        yield f"a {state.request} was asked for, {_attempts(state.active)} still to end"
    elif reason is not None:
        yield reason
    else:
        yield from _going_on(story)
    if not state.terminal:
        yield from (_open_edge(edge) for edge in story.dependencies if edge.satisfied is None)
    if story.failures and not state.terminal:
        yield f"{state.failed} of its attempts failed so far; the last one: " + _why(
            story.failures[0]
        )


def _going_on(story: Story) -> Iterator[str]:
    state, wish = story.job.state, story.crew.wishes.get(story.job.id)
    total = state.policy.total
    done = f"{state.succeeded} of {total}" if total is not None else str(state.succeeded)
    yield f"{_attempts(state.active - story.waiting)} with a worker, {done} completions done"
    if state.restarts:
        times = "once" if state.restarts == 1 else f"{state.restarts} times"
        limit = state.policy.backoff_limit
        yield f"programs that failed were restarted {times}; beyond {limit} the job fails"
    if story.waiting and wish is not None:
        lacking = why_unplaced(wish, story.crew.workers) or FOR_A_WORKER
        yield f"{_attempts(story.waiting)} waiting: {lacking}"


def _end(job: Job) -> str:
    state = job.state
    if state.status is JobStatus.COMPLETED and state.message is None:
        noun = "completion" if state.succeeded == 1 else "completions"
        return f"{state.succeeded} {noun} succeeded ({state.reason})"
    return _ended(state.reason, state.message)


def _ended(reason: str | None, message: str | None) -> str:
    return f"{message} ({reason})" if message else str(reason)


def _open_edge(edge: DependencyRecord) -> str:
    return f"waits until job {edge.job_id} is {edge.condition}; it is {edge.status or 'deleted'}"


def _worker(wish: Wish, worker: WorkerRecord) -> dict[str, Any]:
    found = fitness(wish, worker)
    return {"id": found.worker_id, "fits": found.fits, "why": found.why}


def _dependency(edge: DependencyRecord) -> dict[str, Any]:
    return {
        "job_id": edge.job_id,
        "condition": edge.condition,
        "job_status": edge.status,
        "satisfied": edge.satisfied,
    }


def _failure(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt_id": attempt.id,
        "index": attempt.index,
        "number": attempt.number,
        "reason": attempt.reason,
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "message": _why(attempt),
    }


def _why(attempt: Attempt) -> str:
    """Say how an attempt failed; what is known for sure goes first."""
    if attempt.reason in _FAILURE:
        return _FAILURE[attempt.reason]
    if attempt.signal is not None:
        return f"signal {attempt.signal} killed it"
    if attempt.exit_code is not None:
        return f"it ended with exit code {attempt.exit_code}"
    return attempt.reason or "it failed"


def _hints(story: Story) -> Iterator[str]:
    """Name commands that show more or change something, the likeliest first."""
    job, state = story.job, story.job.state
    yield from _of_failures(story)
    if state.terminal:
        if state.status is not JobStatus.COMPLETED:
            yield f"jobyard job retry {job.id}{_part(job)}"
        if state.dependency_failed is not None:
            yield f"jobyard job explain {state.dependency_failed}"
        return
    if state.request is not None:
        yield f"jobyard job cancel {job.id}"
    elif state.policy.suspend:
        yield f"jobyard job resume {job.id}"
    elif story.waiting:
        yield from _of_workers(story)
    elif state.restarts and not story.failures:
        yield f"jobyard job logs {job.id}"
    for edge in story.dependencies:
        if edge.satisfied is None:
            yield f"jobyard job explain {edge.job_id}"


def _part(job: Job) -> str:
    """Say which part of a job is worth another try: what succeeded need not be done again."""
    state = job.state
    if state.failed_indexes:
        return " --indexes failed"
    return " --indexes remaining" if state.succeeded and state.policy.completions else ""


def _of_failures(story: Story) -> Iterator[str]:
    for attempt in story.failures[:1]:
        # A program that could not be started has no start; why not is said in its log.
        tried = attempt.started_at is not None or attempt.reason == AttemptReason.START_FAILED
        if attempt.status is AttemptStatus.FAILED and tried:
            index = "" if attempt.index is None else f" --index {attempt.index}"
            yield f"jobyard job logs {story.job.id} --attempt {attempt.number}{index}"


def _of_workers(story: Story) -> Iterator[str]:
    wish, workers = story.crew.wishes.get(story.job.id), story.crew.workers
    if wish is None or why_unplaced(wish, workers) is None:
        return
    if any(fitness(wish, worker).fits for worker in workers):
        yield "jobyard worker list"
        return
    for worker in workers:
        if worker.draining:
            yield f"jobyard worker resume {worker.id}"
    labels = "".join(f" --label {key}={value}" for key, value in wish.labels.items())
    named = f" --id {wish.worker}" if wish.worker and not wish.worker.endswith("*") else ""
    yield f"jobyard worker{named}{labels}"


def _attempts(count: int) -> str:
    return "1 attempt is" if count == 1 else f"{count} attempts are"
