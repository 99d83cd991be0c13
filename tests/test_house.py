"""The house keeps its own rules: sizes, names, and what may stand in files that travel."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import jobyard

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "jobyard"
MODULES = sorted(SOURCE.rglob("*.py"))

LONGEST = 600
# Modules that may be longer, each with the number of lines it may have. This list only shrinks.
LONGER: dict[str, int] = {}

# Names that say nothing about what lives there.
EMPTY_NAMES = {"base2", "common", "helpers", "manager", "misc", "models", "types", "utils"}


def _name(module: Path) -> str:
    return module.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_a_module_fits_in_a_head(module: Path) -> None:
    lines = len(module.read_text().splitlines())

    assert lines <= LONGER.get(_name(module), LONGEST)


def test_the_list_of_longer_modules_only_shrinks() -> None:
    lengths = {_name(module): len(module.read_text().splitlines()) for module in MODULES}

    assert [name for name in LONGER if lengths.get(name, 0) <= LONGEST] == []


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_a_module_says_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text()))


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_a_module_is_named_for_what_lives_there(module: Path) -> None:
    names = {part.removesuffix(".py").strip("_") for part in module.relative_to(SOURCE).parts}

    assert names.isdisjoint(EMPTY_NAMES)


def test_the_version_is_said_alike_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert jobyard.__version__ == project["version"]


@pytest.mark.parametrize("extra", ["", "-data", "-dev"])
def test_every_pin_has_a_hash_and_no_host(extra: str) -> None:
    text = (ROOT / f"requirements{extra}.txt").read_text().replace("\\\n", " ")
    pins = [line for line in text.splitlines() if line and not line.startswith("#")]

    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
    assert re.findall(r"://|^-", text, re.MULTILINE) == []


def test_both_databases_have_queries_of_the_same_names() -> None:
    names: dict[str, set[str]] = {}
    for backend in ("sqlite", "postgres"):
        files = (SOURCE / "store" / backend / "queries").glob("*.sql")
        texts = {file.name: file.read_text() for file in files}
        names[backend] = {
            f"{file}: {name}"
            for file, text in texts.items()
            for name in re.findall(r"^--\s*name:\s*(\w+)", text, re.MULTILINE)
        }

    assert names["sqlite"] ^ names["postgres"] == set()
