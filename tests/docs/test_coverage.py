"""Whatever a user can see is on a page, links lead somewhere, and the map names what is there."""

from __future__ import annotations

import re
import string
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from tests.docs.pages import PAGES, ROOT, WRITTEN, blocks, name_of

from jobyard import config, errors
from jobyard.cli import COMMANDS, jobyard
from jobyard.core.count import LOST_LIMIT
from jobyard.core.decide import CANCEL_GRACE
from jobyard.core.job import Backoff, Policy
from jobyard.core.states import AttemptReason, AttemptStatus, Event, JobStatus, Reason, StopReason
from jobyard.core.target import WINDOW
from jobyard.executor import environment
from jobyard.spec.application import JOB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum

SOURCE = ROOT / "src" / "jobyard"
REFERENCE = ROOT / "docs" / "reference"
GUIDES = [ROOT / "README.md", *(p for p in PAGES if ROOT / "docs" in p.parents)]
BY_HAND = [page for page in GUIDES if "made by scripts/generate.py" not in page.read_text()]
ALL_TEXT = "\n".join(page.read_text() for page in GUIDES)
HAND_TEXT = "\n".join(page.read_text() for page in BY_HAND)


def command_paths() -> Iterator[str]:
    context = click.Context(jobyard, info_name="jobyard")
    for name in COMMANDS:
        command = jobyard.get_command(context, name)
        assert command is not None
        yield name
        if isinstance(command, click.Group):
            own = click.Context(command, info_name=name, parent=context)
            yield from (f"{name} {sub}" for sub in command.list_commands(own))


def leaves(error: type[errors.JobyardError] = errors.JobyardError) -> Iterator[str]:
    for kind in error.__subclasses__():
        if kind.__module__.startswith("jobyard."):
            yield kind.slug
            yield from leaves(kind)


@pytest.mark.parametrize("path", list(command_paths()))
def test_every_command_is_on_the_page_of_commands(path: str) -> None:
    assert f"## jobyard {path}\n" in (REFERENCE / "cli.md").read_text()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_top_command_is_spoken_of_outside_the_reference(name: str) -> None:
    assert re.search(rf"jobyard {name}\b|`{name}`", HAND_TEXT)


@pytest.mark.parametrize("setting", [setting.variable for setting in config.SETTINGS])
def test_every_setting_is_on_the_page_of_settings(setting: str) -> None:
    assert f"`{setting}`" in (REFERENCE / "settings.md").read_text()


def test_every_error_has_an_entry() -> None:
    page = (REFERENCE / "errors.md").read_text()

    assert [slug for slug in leaves() if f'<a id="{slug}"></a>' not in page] == []


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("statuses", JobStatus),
        ("jobs-and-attempts", AttemptStatus),
        ("jobs-and-attempts", AttemptReason),
        ("jobs-and-attempts", StopReason),
        ("deciding", Reason),
        ("deciding", Event),
    ],
)
def test_every_word_for_what_happened_is_explained(page: str, words: type[StrEnum]) -> None:
    text = (ROOT / "docs" / "concepts" / f"{page}.md").read_text()

    assert [str(word) for word in words if not re.search(rf"\b{word}\b", text)] == []


def test_every_variable_of_a_program_is_explained() -> None:
    page = (ROOT / "docs" / "concepts" / "jobs-and-attempts.md").read_text()
    sources = [SOURCE / "engine" / "attempt.py", SOURCE / "engine" / "channel.py"]
    sources.append(Path(environment.__file__))
    given = {
        name
        for source in sources
        for name in re.findall(r"\"((?:JOBYARD|JOB)_[A-Z_]+)\"", source.read_text())
    }

    assert "JOBYARD_ATTEMPT_URL" in given
    assert [name for name in sorted(given) if f"`{name}`" not in page] == []


def test_numbers_on_the_pages_are_those_of_the_code() -> None:
    backoff, policy = Backoff(), Policy()

    assert (backoff.base, backoff.factor, backoff.cap) == (10, 2, 360)
    assert (policy.backoff_limit, policy.grace, policy.completed_timeout) == (6, 30, 0)
    assert (WINDOW, LOST_LIMIT, CANCEL_GRACE) == (1000, 5, 0.5)
    defaults = {setting.name: setting.default for setting in config.SETTINGS}
    assert (defaults["lease"], defaults["grace"], defaults["outage_grace"]) == (15, 30, 300)


def test_every_field_in_a_snippet_is_one_that_a_job_has() -> None:
    fields = {row.name for row in JOB.fields}
    spoken_of = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", HAND_TEXT))
    looks_like_a_field = {
        word for word in spoken_of if word.split("_")[0] in {"backoff", "pod", "success", "max"}
    }

    assert looks_like_a_field - fields == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_to_a_file_leads_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def anchors(page: Path) -> set[str]:
    text = page.read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    kept = string.ascii_lowercase + string.digits + "-_ "
    slugs = {
        "".join(letter for letter in heading.lower() if letter in kept).replace(" ", "-")
        for heading in headings
    }
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


def test_every_page_is_found_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    listed = set(re.findall(r"\]\(([^)#]+)", index))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}

    assert {page for page in pages - listed if not page.startswith("adr/0")} == {"index.md"}


def test_every_file_that_the_map_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:\w+/)*[\w*]+\.(?:py|sql|txt|toml))`", text))
    named |= set(re.findall(r"`((?:store|executor|engine|cli|api|wire)/\w*/?)`", text))
    patterns = {name: name.replace("NNNN_name", "*") for name in named}

    assert named
    assert [
        name
        for name, pattern in sorted(patterns.items())
        if not (any(SOURCE.rglob(pattern)) or any(ROOT.glob(pattern)))
    ] == []


def test_every_room_is_on_the_map_and_can_be_entered() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`(jobyard\.\w+)`", text))
    rooms = {
        f"jobyard.{entry.stem}"
        for entry in SOURCE.iterdir()
        if entry.suffix == ".py" or (entry / "__init__.py").exists()
    }

    assert rooms - named == {"jobyard.__init__", "jobyard.__main__"}
    for name in named:
        import_module(name)


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_a_page_says_nothing_of_machines_and_shouts_at_nobody(page: Path) -> None:
    text = page.read_text()
    prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)

    assert re.findall(r"(?<![\w.])/(?:home|root|tmp|work|Users)/\S*", text) == []
    assert re.findall(r"(?<!\!)\!(?![\[=-])", re.sub(r"<!--", "", prose)) == []


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_a_block_says_what_language_it_is(page: Path) -> None:
    if page in BY_HAND or page.parent == ROOT:
        assert [block.text for block in blocks(page) if not block.language] == []
