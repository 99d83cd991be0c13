"""How settings are read: limits that can be turned off."""

from __future__ import annotations

import pytest

from jobyard import config
from jobyard.errors import InvalidSetting


def retention(age: str | None = None, count: str | None = None) -> tuple[object, object]:
    texts = {"JOBYARD_RETENTION_AGE": age, "JOBYARD_RETENTION_COUNT": count}
    environ = {name: text for name, text in texts.items() if text is not None}
    settings = config.load({}, environ)
    return settings.retention_age, settings.retention_count


def test_finished_jobs_are_kept_for_90_days_and_up_to_a_million_of_each_status() -> None:
    assert retention() == (90 * 86400.0, 1_000_000)


def test_retention_is_read_as_a_duration_and_as_a_number() -> None:
    assert retention("7d", "50") == (7 * 86400.0, 50)


@pytest.mark.parametrize("off", ["off", "OFF", "0", " 0 "])
def test_retention_can_be_turned_off(off: str) -> None:
    assert retention(off, off) == (None, None)


@pytest.mark.parametrize("variable", ["JOBYARD_RETENTION_AGE", "JOBYARD_RETENTION_COUNT"])
def test_a_limit_that_cannot_be_read_says_how_to_turn_it_off(variable: str) -> None:
    with pytest.raises(InvalidSetting) as raised:
        config.load({}, {variable: "never"})

    assert "`off`" in str(raised.value.hint)


def test_off_is_only_a_word_where_it_is_one() -> None:
    assert config.load({"host": "off"}, {}).host == "off"
