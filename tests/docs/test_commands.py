"""What the pages have their reader type works, and prints what they show."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import ROOT, WRITTEN, Command, name_of, says, steps_of

import jobyard
from jobyard import config

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPED = [page for page in WRITTEN if any(isinstance(step, Command) for step in steps_of(page))]
SOURCE = Path(jobyard.__file__).parents[1]
READY = {
    "solo": ("listening on", "worker ready"),
    "server": ("listening on",),
    "worker": ("worker ready",),
}
"""What a service says once it can be spoken to."""
DATABASE = "postgresql://jobyard@localhost/jobyard"
SERVER = "http://127.0.0.1:1610"
CHAIN = "tests/data/anvil-prague.ndjson.gz"
"""The recording of the demo."""
WITH_CLONE = ("README.md", "extract-a-chain.md", "derive-a-dataset.md")
"""Pages whose reader has a clone."""
AT_A_TIME = 3
"""Pages that are typed at the same time: most of a page's time is waiting for what it starts."""


def demo() -> str:
    """What `make demo` runs once it has installed."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    recipe = makefile.partition("\ndemo:")[2].partition("\n\n")[0].splitlines()[1:]
    typed = " && ".join(line.strip().removeprefix("@$(BIN)/") for line in recipe)
    return typed.replace("$(CHAIN)", CHAIN)


class Reader:
    """Somebody who types what a page says, in a folder of their own."""

    def __init__(self, folder: Path, python: Path, database: str | None) -> None:
        self._folder = folder
        self._own = {DATABASE: database} if database else {}
        """What stands in this reader's world for what the pages say."""
        self._services: list[tuple[subprocess.Popen[str], threading.Thread]] = []
        self._env = {
            "PATH": f"{python}:{config.environment()['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "JOBYARD_PORT": "0",
        }

    def write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(self._translated(text))

    def type(self, command: Command) -> None:
        line = command.line
        if line == "make demo":
            command = replace(command, line=demo())
        if exported := re.fullmatch(r"export (\w+)=(\S+)", line):
            self._env[exported[1]] = self._translated(exported[2])
        elif line.endswith(" &"):
            self._start(line.removesuffix(" &"))
        elif line == "kill %1":
            self._end(*self._services.pop(0))
        else:
            self._run(command)

    def _translated(self, text: str) -> str:
        for said, own in self._own.items():
            text = text.replace(said, own)
        return text

    def _as_shown(self, printed: str) -> str:
        for said, own in self._own.items():
            printed = printed.replace(own, said)
        return printed

    def _run(self, command: Command) -> None:
        done = subprocess.run(
            ["bash", "-c", self._translated(command.line)],
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        printed = self._as_shown(done.stdout)
        assert done.returncode == command.exits, f"$ {command.line}\n{printed}"
        missing = [line for line in command.prints if line != "…" and not says(printed, line)]
        assert missing == [], f"$ {command.line}\n{printed}"

    def _start(self, line: str) -> None:
        service = subprocess.Popen(
            shlex.split(line),
            cwd=self._folder,
            env=self._env,
            executable=shutil.which("jobyard", path=self._env["PATH"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert service.stderr is not None
        # Whoever talks into a full pipe stops working.
        drain = threading.Thread(target=service.stderr.read)
        self._services.append((service, drain))
        awaited = set(READY.get(line.split()[1], ()))
        said = []
        while awaited:
            heard = service.stderr.readline()
            said.append(heard)
            assert heard, f"$ {line}\n{''.join(said)}"
            awaited -= {word for word in awaited if word in heard}
            if address := re.search(r"listening on (\S+)", heard):
                self._own[SERVER] = address[1]
        drain.start()

    @staticmethod
    def _end(service: subprocess.Popen[str], drain: threading.Thread) -> None:
        assert service.stderr is not None
        service.send_signal(signal.SIGTERM)
        service.send_signal(signal.SIGINT)
        service.wait(60)
        if drain.ident is not None:
            drain.join()
        service.stderr.close()

    def leave(self) -> None:
        while self._services:
            self._end(*self._services.pop())


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH, like that of an environment in which Jobyard is installed."""
    folder = tmp_path_factory.mktemp("bin")
    for name, arguments in (("jobyard", " -m jobyard"), ("python3", "")):
        shim = folder / name
        shim.write_text(
            f'#!/bin/sh\nPYTHONPATH="{SOURCE}" exec "{sys.executable}"{arguments} "$@"\n'
        )
        shim.chmod(0o755)
    return folder


def play(page: Path, folder: Path, python: Path, database: str | None = None) -> None:
    """Type all that a page says, in order."""
    if page.name in WITH_CLONE:
        shutil.copytree(ROOT / "examples", folder / "examples")
        (folder / CHAIN).parent.mkdir(parents=True)
        shutil.copy(ROOT / CHAIN, folder / CHAIN)
    reader = Reader(folder, python, database)
    try:
        for step in steps_of(page):
            if isinstance(step, Command):
                reader.type(step)
            else:
                reader.write(*step)
    finally:
        reader.leave()


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """The pages that need nothing but a folder, each in its own, some at the same time."""
    wanted = [
        page
        for page in TYPED
        if any(name_of(page) in item.name for item in request.session.items)
        and DATABASE not in page.read_text()
    ]
    with ThreadPoolExecutor(AT_A_TIME) as readers:
        yield {
            name_of(page): readers.submit(play, page, tmp_path_factory.mktemp("page"), python)
            for page in wanted
        }
        readers.shutdown(cancel_futures=True)


@pytest.mark.parametrize("page", TYPED, ids=name_of)
def test_what_a_page_has_its_reader_type_works(
    page: Path,
    played: dict[str, Future[None]],
    python: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if DATABASE in page.read_text():
        play(page, tmp_path, python, request.getfixturevalue("postgres_dsn"))
    else:
        played[name_of(page)].result()
