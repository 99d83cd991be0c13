"""Commands that need libraries which not everybody installs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.cli.conftest import environment

from jobyard.cli import EXTRAS

ROOT = Path(__file__).parents[2]
IMPORTED_AS = {"pycryptodome": "Crypto"}
WITHOUT = "import sys; sys.modules[{library!r}] = None; from jobyard.cli import main; main()"


def without(library: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    program = WITHOUT.format(library=library)
    return subprocess.run(
        [sys.executable, "-c", program, *args],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("library", "args"),
    [
        ("datafusion", ("query", "SELECT 1")),
        ("asyncpg", ("migrate", "--database", "postgresql://localhost/nobody")),
    ],
)
def test_a_command_without_its_library_names_what_to_install(
    tmp_path: Path, library: str, args: tuple[str, ...]
) -> None:
    done = without(library, tmp_path, *args)

    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        f"error: this needs {library}, which is not installed",
        f"hint: pip install 'jobyard[{EXTRAS[library]}]'",
    ]


def test_every_library_of_these_extras_is_known_by_the_name_it_is_imported_by() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in ("data", "postgres"):
        for requirement in project["optional-dependencies"][extra]:
            name = re.split(r"[><=; ]", requirement)[0]
            if name in ("safe-pysha3", "uvloop"):  # there is another way without them
                continue
            assert EXTRAS[IMPORTED_AS.get(name, name)] == extra
