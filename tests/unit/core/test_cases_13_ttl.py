"""Time to live (kubernetes-job-cases.md 13): ``expires_at``, which the janitor goes by."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.core.yard import START, a_job

from jobyard.core.backoff import SECOND
from jobyard.core.decide import replace_policy
from jobyard.core.job import Policy


def test_a_job_without_a_time_to_live_never_expires() -> None:
    """Row 222."""
    assert a_job(Policy(), "s").decide().job.expires_at is None


def test_a_job_that_is_not_over_does_not_expire() -> None:
    """Row 223."""
    yard = a_job(Policy(ttl=0), "s T").decide()
    assert yard.advance(99).job.expires_at is None


@pytest.mark.parametrize(
    ("ttl", "left"),
    [pytest.param(10, 10, id="rows-224-and-225"), pytest.param(0, 0, id="row-226")],
)
@pytest.mark.parametrize("attempts", ["s", "f"])
def test_the_time_to_live_counts_from_the_end(ttl: Any, left: Any, attempts: Any) -> None:
    yard = a_job(Policy(ttl=ttl, backoff_limit=0), f"{attempts} T").advance(5).advance(3)
    yard.end_stopped()
    assert yard.job.terminal
    assert yard.job.expires_at == START + (8 + left) * SECOND


@pytest.mark.parametrize(("ttl", "expires_at"), [(5, START + 5 * SECOND), (None, None)])
def test_a_time_to_live_may_change_after_the_end(ttl: Any, expires_at: Any) -> None:
    """Row 228."""
    yard = a_job(Policy(ttl=60), "s").decide().change(ttl=ttl)
    assert yard.job.expires_at == expires_at
    assert replace_policy(yard.job, Policy(ttl=7)).expires_at == START + 7 * SECOND
