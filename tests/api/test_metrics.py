"""`/metrics`: what is measured, in a form that Prometheus reads, under documented names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.api.hands import hand
from tests.api.test_jobs import submit

from jobyard import __version__
from jobyard.api.exposition import HISTOGRAMS, METRICS, exposition
from jobyard.core.states import AttemptStatus, JobStatus
from jobyard.store.measures import BOUNDS, Histogram, Latency, Measures

if TYPE_CHECKING:
    import httpx
    from tests.api.conftest import Serving

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')


def samples(text: str) -> dict[tuple[str, str], float]:
    """Read the text format: name and labels to value; a line that is none fails the test."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            match = LINE.fullmatch(line)
            assert match, line
            key = (match[1], match[2] or "")
            assert key not in found, line
            found[key] = float(match[3])
    return found


def a_measure(**fields: object) -> Measures:
    every = {
        "jobs": dict.fromkeys(JobStatus, 0), "waiting": {}, "oldest_waiting": None, "running": 0,
        "ended": {}, "leases_lost": 0, "latencies": {latency: Histogram() for latency in Latency},
    }  # fmt: skip
    return Measures(**{**every, **fields})  # type: ignore[arg-type]


def test_a_server_tells_what_its_yard_holds(http: httpx.Client, still: Serving) -> None:
    submit(http, 3)
    (stopped,) = submit(http)
    http.put(f"/jobs/{stopped}/stop")
    hand(still).start()

    answer = http.get("/metrics")
    found = samples(answer.text)

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert found["jobyard_build_info", f'version="{__version__}"'] == 1
    by_status = {"RUNNING": 1, "SCHEDULED": 2, "STOPPED": 1}
    for status in JobStatus:
        assert found["jobyard_jobs", f'status="{status}"'] == by_status.get(status, 0)
    assert found["jobyard_attempts_waiting", 'executor="process"'] == 2
    assert found["jobyard_attempts_running", ""] == 1
    assert found["jobyard_oldest_waiting_seconds", ""] >= 0
    assert found["jobyard_leases_lost_total", ""] == 0


def test_a_histogram_counts_upwards_to_everything() -> None:
    counts = [0] * (len(BOUNDS) + 1)
    counts[0], counts[5], counts[-1] = 2, 3, 1
    times = Histogram(tuple(counts), 1234.5)

    found = samples(exposition(a_measure(latencies=dict.fromkeys(Latency, times))))

    for name, _ in HISTOGRAMS.values():
        reached = [found[f"{name}_bucket", f'le="{bound:g}"'] for bound in BOUNDS]
        assert reached == [2.0] * 5 + [5.0] * (len(BOUNDS) - 5)
        assert found[f"{name}_bucket", 'le="+Inf"'] == found[f"{name}_count", ""] == 6
        assert found[f"{name}_sum", ""] == 1234.5


def test_odd_words_stay_inside_their_quotes() -> None:
    odd = 'a"b\\c\nd'
    ended = {(AttemptStatus.FAILED, odd): 2, (AttemptStatus.SUCCEEDED, None): 5}

    text = exposition(a_measure(waiting={odd: 1}, ended=ended))
    found = samples(text)

    assert found["jobyard_attempts_waiting", 'executor="a\\"b\\\\c\\nd"'] == 1
    assert found["jobyard_attempts_ended_total", 'status="SUCCEEDED",reason=""'] == 5
    assert text.endswith("\n")


def test_every_metric_has_its_head_once_and_its_place_on_the_page() -> None:
    names = {metric.name: metric.kind for metric in METRICS}
    names.update({name: "histogram" for name, _ in HISTOGRAMS.values()})
    text, page = exposition(a_measure()), PAGE.read_text()

    assert set(HISTOGRAMS) == set(Latency)
    assert re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE) == list(names.items())
    assert re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE) == list(names)
    assert re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE) == list(names.items())
