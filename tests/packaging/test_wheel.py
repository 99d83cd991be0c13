"""What a user installs is whole: the wheel alone carries the SQL and passes the promises."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "jobyard"
DATA = sorted(
    file.relative_to(PACKAGE.parent).as_posix()
    for file in PACKAGE.rglob("*")
    if file.suffix in {".py", ".sql", ".typed", ".json", ".html", ".css", ".js"}
)


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the pinned build backend, without asking a registry."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it, and this one's libraries but not its jobyard.

    The path file only adds a folder; the path files in that folder, among them the one of the
    editable install, are not followed.
    """
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    site = sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)})
    installer = (sys.executable, "-m", "pip", "--python", python, "install", "--no-index")
    _run(*installer, "--quiet", "--no-deps", wheel)
    (Path(site) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_carries_every_module_and_every_query(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert [name for name in DATA if name not in names] == []
    assert [name for name in names if name.startswith("tests/")] == []


def test_the_installed_package_is_the_wheel(python: Path) -> None:
    place = _run(python, "-I", "-c", "import jobyard; print(jobyard.__file__)").strip()

    assert Path(place).is_relative_to(python.parents[1])


@pytest.mark.timeout(1800)
def test_the_installed_package_keeps_the_promises_of_its_stores(python: Path) -> None:
    options = ["-q", "-p", "no:cacheprovider", "-o", "pythonpath=scripts"]

    _run(python, "-m", "pytest", *options, "tests/conformance")
