"""The measures of a yard in the text format of Prometheus (version 0.0.4)."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from jobyard import __version__
from jobyard.store.measures import BOUNDS, Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from jobyard.store.measures import Histogram, Measures

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """One metric: its name, its type, what it tells, and where its samples come from."""

    name: str
    kind: str
    help: str
    samples: Callable[[Measures], Iterable[tuple[Mapping[str, str], float]]]


METRICS: tuple[Metric, ...] = (
    Metric(
        "jobyard_build_info", "gauge", "Always 1; the label is the version of this server.",
        lambda _: [({"version": __version__}, 1)],
    ),
    Metric(
        "jobyard_jobs", "gauge", "Jobs that are kept, by status.",
        lambda found: [({"status": status}, n) for status, n in found.jobs.items()],
    ),
    Metric(
        "jobyard_attempts_waiting", "gauge",
        "Attempts that wait for a worker, by executor: the depth of the queue.",
        lambda found: [({"executor": name}, n) for name, n in found.waiting.items()],
    ),
    Metric(
        "jobyard_oldest_waiting_seconds", "gauge",
        "Seconds that the first attempt in the queue has waited; 0 when none waits.",
        lambda found: [({}, found.oldest_waiting or 0)],
    ),
    Metric(
        "jobyard_attempts_running", "gauge", "Attempts that workers hold.",
        lambda found: [({}, found.running)],
    ),
    Metric(
        "jobyard_attempts_ended_total", "counter",
        "Attempts that ended, by status and reason; a deletion takes nothing away.",
        lambda found: [
            ({"status": status, "reason": reason or ""}, n)
            for (status, reason), n in found.ended.items()
        ],
    ),
    Metric(
        "jobyard_leases_lost_total", "counter", "Leases of workers that ran out.",
        lambda found: [({}, found.leases_lost)],
    ),
)  # fmt: skip
"""The metrics that are no histograms, in the order in which they are written."""

HISTOGRAMS: Mapping[Latency, tuple[str, str]] = {
    Latency.CLAIM: (
        "jobyard_claim_latency_seconds",
        "Seconds from the turn of an attempt to its claim by a worker.",
    ),
    Latency.START: (
        "jobyard_start_latency_seconds",
        "Seconds from the claim of an attempt to the start of its program.",
    ),
    Latency.RUN: (
        "jobyard_run_duration_seconds",
        "Seconds from the start of a program to the end of its attempt.",
    ),
    Latency.STORE: (
        "jobyard_store_latency_seconds",
        "Seconds of a worker's conversation with the store.",
    ),
}
"""The name and the meaning of each histogram."""


def exposition(measures: Measures) -> str:
    """Write all metrics."""
    return "".join(f"{line}\n" for line in _lines(measures))


def _lines(measures: Measures) -> Iterator[str]:
    for metric in METRICS:
        yield from _head(metric.name, metric.kind, metric.help)
        for labels, value in metric.samples(measures):
            yield f"{metric.name}{_labels(labels)} {_number(value)}"
    for latency, (name, meaning) in HISTOGRAMS.items():
        yield from _head(name, "histogram", meaning)
        yield from _buckets(name, measures.latencies[latency])


def _head(name: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"


def _buckets(name: str, histogram: Histogram) -> Iterator[str]:
    reached = list(accumulate(histogram.counts))
    for bound, count in zip((*map(_number, BOUNDS), "+Inf"), reached, strict=True):
        yield f'{name}_bucket{{le="{bound}"}} {count}'
    yield f"{name}_sum {_number(histogram.total)}"
    yield f"{name}_count {reached[-1]}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
