"""Settings as the commands find them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def write(jobyard: CommandLine, text: str, mode: int = 0o600) -> None:
    folder = jobyard.folder / ".jobyard"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "settings.toml").write_text(text)
    (folder / "settings.toml").chmod(mode)


def test_doctor_tells_where_each_setting_comes_from(jobyard: CommandLine) -> None:
    write(jobyard, 'slots = 3\nport = 7\nhost = "::1"\n')

    found = json.loads(jobyard.ok("doctor", "--json", JOBYARD_PORT="8"))["settings"]

    told = {one["name"]: (one["value"], one["source"]) for one in found}
    assert told["slots"] == (3, "file")
    assert told["port"] == (8, "environment")
    assert told["host"] == ("::1", "file")
    assert told["lease"] == (15.0, "default")
    assert told["config"][0].endswith("/.jobyard/settings.toml")


def test_a_wrong_settings_file_ends_every_command(jobyard: CommandLine) -> None:
    write(jobyard, "slots = 3\n", mode=0o666)

    for command in (("doctor",), ("job", "list"), ("validate", "-"), ("solo",)):
        done = jobyard(*command)
        assert done.returncode == 78
        assert "others can write the settings file" in done.stderr
        assert "hint: chmod go-w" in done.stderr
