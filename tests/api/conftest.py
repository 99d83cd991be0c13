"""Real servers on free ports, in a thread of their own: with an engine, or with a store alone."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobyard import app, config
from jobyard.api.app import make_app
from jobyard.api.serve import Server
from jobyard.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobyard.api.access import Tokens

PATIENCE = 30


class Serving:
    """A server, and what can be asked of it."""

    def __init__(
        self,
        state_dir: Path,
        *,
        engine: bool,
        port: int = 0,
        tokens: Tokens | None = None,
        **flags: Any,
    ) -> None:
        self._port = port
        self.settings = config.load({"state_dir": state_dir, "port": 0, "slots": 2, **flags}, {})
        self._engine = engine
        self._tokens = tokens
        self._up = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._up.wait(PATIENCE)
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._work()
        except BaseException as error:
            self._failure = error
            self._up.set()
            raise

    async def _work(self) -> None:
        async with app.open_yard(self.settings) as yard:
            application = make_app(
                yard.store,
                yard.logs,
                tokens=self._tokens,
                providers_dir=self.settings.providers_dir,
                data_dir=app.data_dir(self.settings),
                collect_after=self.settings.collect_after,
            )
            server = Server(application, "127.0.0.1", self._port)
            self.url = server.url
            controller = yard.controller()
            worker = yard.worker(app.worker_settings(self.settings, worker_id="w1"))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(server.run(self._up.set))
                if self._engine:
                    tasks.create_task(controller.run())
                    tasks.create_task(worker.run())
                await self._end.wait()
                server.end()
                worker.end_working(0.0)
                controller.end()


@contextmanager
def serving(
    state_dir: Path,
    *,
    engine: bool,
    port: int = 0,
    tokens: Tokens | None = None,
    **flags: Any,
) -> Iterator[Serving]:
    running = Serving(state_dir, engine=engine, port=port, tokens=tokens, **flags)
    running.start()
    try:
        yield running
    finally:
        running.end()


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Serving]:
    """A server of an empty store on which nothing is decided or run."""
    with serving(tmp_path / "state", engine=False) as running:
        yield running


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with a controller and the worker `w1`, for all tests of a module."""
    with serving(tmp_path_factory.mktemp("live") / "state", engine=True) as running:
        yield running


@pytest.fixture
def http(still: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=still.url, trust_env=False) as client:
        yield client


@pytest.fixture
def client(live: Serving) -> Iterator[Client]:
    with Client(live.url) as speaking:
        yield speaking


@pytest.fixture
def mine(still: Serving) -> Iterator[Client]:
    """A client of the server on which nothing is run."""
    with Client(still.url) as speaking:
        yield speaking


@pytest.fixture
def raw(live: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, trust_env=False) as speaking:
        yield speaking
