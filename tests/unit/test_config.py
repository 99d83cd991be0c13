"""Flag > environment > settings file > default, and who says so is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobyard import config
from jobyard.config import Origin
from jobyard.errors import InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Write the settings file of the state folder ``tmp_path``."""

    def write(text: str, name: str = "settings.toml", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[..., InvalidSetting]:
    def call(**environ: str) -> InvalidSetting:
        with pytest.raises(InvalidSetting) as caught:
            config.load({"state_dir": tmp_path}, environ)
        return caught.value

    return call


def test_the_strongest_voice_wins_and_is_remembered(
    tmp_path: Path, file: Callable[..., Path]
) -> None:
    file('slots = 3\nport = 7\nlease = "2m"\nhost = "::1"\n')

    settings = config.load(
        {"state_dir": tmp_path, "slots": 9, "port": None},
        {"JOBYARD_SLOTS": "5", "JOBYARD_PORT": "6", "JOBYARD_HOST": ""},
    )

    assert (settings.slots, settings.port, settings.lease) == (9, 6, 120.0)
    assert (settings.host, settings.grace) == ("::1", 30.0)
    assert settings.config == tmp_path / "settings.toml"
    origins = {
        "slots": Origin.FLAG,
        "port": Origin.ENVIRONMENT,
        "lease": Origin.FILE,
        "grace": Origin.DEFAULT,
    }
    assert {name: settings.origins[name] for name in origins} == origins
    assert settings.origins.keys() == {setting.name for setting in config.SETTINGS}


@pytest.mark.parametrize(
    ("written", "length"),
    [("90", 90), ("1.5", 1.5), ("1h30m", 5400), ("500ms", 0.5), (" 7d ", 604800)],
)
def test_durations_are_written_as_in_documents_or_as_plain_seconds(
    written: str, length: float
) -> None:
    assert config.load({}, {"JOBYARD_LEASE": written}).lease == length


def test_without_a_file_everything_is_its_default(tmp_path: Path) -> None:
    settings = config.load({"state_dir": tmp_path}, {})

    assert settings.config is None
    assert set(settings.origins.values()) == {Origin.FLAG, Origin.DEFAULT}
    for setting in config.SETTINGS:
        if setting.default is not None and setting.name != "state_dir":
            assert getattr(settings, setting.name) == setting.default


def test_a_named_file_says_where_the_state_folder_is(
    tmp_path: Path, file: Callable[..., Path]
) -> None:
    path = file('state_dir = "yard"\nslots = 3\n', "own.toml")

    settings = config.load({}, {"JOBYARD_CONFIG": str(path)})

    assert (settings.state_dir, settings.slots) == (tmp_path / "yard", 3)
    assert settings.origins["config"] is Origin.ENVIRONMENT


def test_a_file_that_is_named_must_be_there(tmp_path: Path, refusal: Any) -> None:
    assert "cannot be read" in refusal(JOBYARD_CONFIG=str(tmp_path / "none.toml")).detail


@pytest.mark.parametrize(
    ("text", "detail", "hint"),
    [
        ("slot = 3", "no setting is called `slot`", "did you mean `slots`?"),
        ("JOBYARD_SLOTS = 3", "no setting is called", "did you mean `slots`?"),
        ("[worker]\nslots = 3", "no setting is called `worker`", "there are "),
        ('state_dir = "x"', "no setting is called `state_dir`", ""),
        ('config = "x"', "no setting is called `config`", ""),
        ("slots = 0", "slots is `0`", "a whole number from 1"),
        ('slots = "many"', "slots is `many`", "a whole number from 1"),
        ("slots = true", "slots is `True`", "a number, or text in quotes"),
        ("slots = [3]", "slots is `[3]`", "a number, or text in quotes"),
        ("lease = inf", "lease is `inf`", "a duration"),
        ("lease = -1", "lease is `-1`", "a duration"),
        ("port = 65536", "port is `65536`", "to 65535"),
        ("host = 1", "host is `1`", "text in quotes"),
        ('log_level = "loud"', "log_level is `loud`", "one of debug"),
        ("slots = ", "is not TOML", "slots = 4"),
        ("slots = 1\nslots = 2", "is not TOML", "slots = 4"),
        (f"a = {'[' * 10_000}", "is not TOML", "slots = 4"),
        ("\n" * 2**20 + "slots = 1", "has more than 1,048,576 bytes", "settings file"),
    ],
)
def test_a_wrong_line_is_named_with_what_would_be_legal(
    file: Callable[..., Path], refusal: Any, text: str, detail: str, hint: str
) -> None:
    path = file(text)

    error = refusal()

    assert detail in error.detail
    assert str(path) in error.detail
    assert hint in error.hint


def test_a_file_that_is_no_text_is_refused(tmp_path: Path, refusal: Any) -> None:
    (tmp_path / "settings.toml").write_bytes(b"slots = \xff")
    (tmp_path / "settings.toml").chmod(0o600)

    assert "is not TOML" in refusal().detail


@pytest.mark.parametrize(
    ("mode", "text", "hint"),
    [
        (0o622, "slots = 1", "chmod go-w"),
        (0o660, "slots = 1", "chmod go-w"),
        (0o644, 'database = "postgresql://me:secret@db/yard"', "chmod 600"),
    ],
)
def test_a_file_that_others_may_change_or_spy_on_is_refused(
    file: Callable[..., Path], refusal: Any, mode: int, text: str, hint: str
) -> None:
    path = file(text, mode=mode)

    assert refusal().hint == f"{hint} {path}"


def test_others_may_read_a_file_without_secrets(tmp_path: Path, file: Callable[..., Path]) -> None:
    file('database = "postgresql://me@db/yard"', mode=0o644)

    assert config.load({"state_dir": tmp_path}, {}).database == "postgresql://me@db/yard"


def test_names_may_be_a_list(tmp_path: Path, file: Callable[..., Path]) -> None:
    file('hosts = ["yard.example", "other"]\n')

    assert config.load({"state_dir": tmp_path}, {}).hosts == ("yard.example", "other")


def test_a_bound_may_be_taken_away(tmp_path: Path, file: Callable[..., Path]) -> None:
    file('retention_age = "off"\nretention_count = 5\n')

    settings = config.load({"state_dir": tmp_path}, {"JOBYARD_RETENTION_COUNT": "Off"})

    assert (settings.retention_age, settings.retention_count) == (None, None)
    assert settings.origins["retention_age"] is Origin.FILE


@pytest.mark.parametrize(
    ("variable", "text", "hint"),
    [
        ("JOBYARD_PORT", "http", "from 0 to 65535"),
        ("JOBYARD_SLOTS", "²", "a whole number from 1"),
        ("JOBYARD_SLOTS", "9" * 5000, "a whole number from 1"),
        ("JOBYARD_LEASE", "9" * 400, "a duration"),
        ("JOBYARD_RETENTION_AGE", "soon", "a duration such as 15s, 1h30m or 500ms, or `off`"),
        ("JOBYARD_DOCUMENT_LIMIT", "64 MiB", "a size"),
        ("JOBYARD_LOG_LEVEL", "LOUD", "one of debug"),
    ],
)
def test_a_wrong_variable_is_named_with_what_would_be_legal(
    refusal: Any, variable: str, text: str, hint: str
) -> None:
    error = refusal(**{variable: text})

    assert error.detail.startswith(f"{variable} is `{text[:20]}")
    assert hint in error.hint
