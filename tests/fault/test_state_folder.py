"""Nobody but its owner looks into the state folder, however careless the owner's umask is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.fault.services import ROOT, Services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}


class CarelessServices(Services):
    """Services whose umask keeps nothing from anybody."""

    def command(self, *words: str) -> list[str]:
        return ["sh", "-c", 'umask 000 && exec "$@"', "sh", *super().command(*words)]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[CarelessServices]:
    services = CarelessServices(tmp_path / "deep" / "er" / "state", None)
    yield services
    services.end()


def open_to_others(folder: Path) -> list[tuple[str, str]]:
    """Name everything that is there for others too, with its mode."""
    found = []
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        own = 0o700 if stat.S_ISDIR(mode) else 0o600
        if stat.S_IMODE(mode) != own:
            found.append((str(path.relative_to(folder)), oct(mode)))
    return found


def test_the_state_folder_is_its_owners_alone_under_any_umask(
    services: CarelessServices, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    url = services.start("solo", "--port", "0").last_line.split()[-1]
    shell = f"echo said; touch ready; until [ -e {gate} ]; do sleep 0.05; done"
    job: dict[str, Any] = {
        "name": "a",
        "command": ["sh", "-c", shell],
        "working_dir": str(tmp_path),
        "volumes": [{"name": "v", "mount_path": "/v", "empty_dir": {}}],
    }
    with httpx.Client(base_url=url, timeout=60) as http:
        job_id = http.post("/jobs", json=job).json()["id"]
        while not (tmp_path / "ready").exists():
            http.get(f"/jobs/{job_id}")
        names = {path.name for path in services.folder.rglob("*")}
        found = open_to_others(services.folder)
        gate.touch()

    assert {"jobs.db", "jobs.db-wal", "logs.db", "server.json", "wake", "volumes"} <= names
    assert any(path.is_socket() for path in services.folder.rglob("*"))
    assert found == []
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700


def jobyard(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobyard", *words],
        env={**HERE, "JOBYARD_STATE_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_state_folder_that_was_left_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o777)

    assert jobyard(folder, "migrate").returncode == 0
    empty = stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(0o755)
    assert jobyard(folder, "migrate").returncode == 0

    assert (empty, stat.S_IMODE(folder.stat().st_mode)) == (0o700, 0o700)


def test_a_folder_of_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "something").touch()
    folder.chmod(0o777)

    done = jobyard(folder, "migrate")

    assert done.returncode == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777
    assert "others can write the state folder" in done.stderr
    assert stat.S_IMODE((folder / "jobs.db").stat().st_mode) == 0o600
