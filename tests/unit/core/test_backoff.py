from __future__ import annotations

from typing import Any

import pytest

from jobyard.core.backoff import LONGEST_ADVICE, SECOND, advised, delay
from jobyard.core.job import Backoff


@pytest.mark.parametrize(
    ("streak", "seconds"),
    [
        pytest.param(1, 10, id="row-77"),
        pytest.param(2, 20, id="row-78-second"),
        pytest.param(3, 40, id="row-78-third"),
        pytest.param(4, 80, id="row-78-fourth"),
        pytest.param(7, 360, id="row-79"),
        pytest.param(10**9, 360, id="row-79-for-ever"),
        pytest.param(0, 10, id="never-less-than-the-base"),
    ],
)
def test_the_delay_doubles_up_to_the_cap(streak: int, seconds: int) -> None:
    assert delay(Backoff(), streak) == seconds * SECOND


@pytest.mark.parametrize(
    ("backoff", "streak", "seconds"),
    [
        (Backoff(base=0), 9, 0),
        (Backoff(base=0, factor=1e9), 90, 0),
        (Backoff(base=3, factor=1), 50, 3),
        (Backoff(base=1, factor=1e9), 90, 360),
        (Backoff(base=500, cap=60), 1, 60),
        (Backoff(base=0.25, factor=3), 3, 2.25),
    ],
)
def test_base_factor_and_cap_are_settable(backoff: Backoff, streak: int, seconds: float) -> None:
    assert delay(backoff, streak) == seconds * SECOND


@pytest.mark.parametrize(("drawn", "seconds"), [(0.0, 10), (0.5, 11), (1.0, 12)])
def test_jitter_only_lengthens_the_delay(drawn: float, seconds: int) -> None:
    assert delay(Backoff(jitter=0.2), 1, drawn) == seconds * SECOND


@pytest.mark.parametrize(
    ("advice", "read"),
    [
        (None, (True, None)),
        ("", (True, None)),
        ("no", (False, None)),
        ("No: the chain is another one", (False, None)),
        ("nobody knows", (True, None)),
        (" NO\n", (False, None)),
        ("nope", (True, None)),
        ("after 30s", (True, 30 * SECOND)),
        ("After 30 s\n", (True, 30 * SECOND)),
        ("after 30", (True, 30 * SECOND)),
        ("after 1.5m", (True, 90 * SECOND)),
        ("after 2h", (True, 7200 * SECOND)),
        ("after 250ms", (True, SECOND // 4)),
        ("after 0", (True, 0)),
        ("after 99h", (True, int(LONGEST_ADVICE) * SECOND)),
        ("after " + "9" * 400, (True, int(LONGEST_ADVICE) * SECOND)),
        ("after -1s", (True, None)),
        ("after \u0661s", (True, None)),
        ("after soon", (True, None)),
        ("30s", (True, None)),
    ],
)
def test_what_a_program_says_of_its_retry_is_read(advice: Any, read: Any) -> None:
    assert advised(advice) == read
