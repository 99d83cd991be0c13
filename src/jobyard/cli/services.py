"""Run what serves: server, controller and worker, each alone or all in one process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobyard import app, log
from jobyard.app import open_yard
from jobyard.cli.options import COUNT, DURATION, NAMES, Number, store_options
from jobyard.cli.printer import say
from jobyard.cli.whereabouts import announced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobyard.api.serve import Server
    from jobyard.app import Yard
    from jobyard.cli.options import Command
    from jobyard.config import Settings
    from jobyard.engine.controller import Controller
    from jobyard.engine.worker import Worker, WorkerSettings


def _host_and_port(command: Command) -> Command:
    host = click.option(
        "--host", help="The address to listen on; others than loopback need tokens."
    )
    port = click.option("--port", type=Number(0, 65535), help="0 takes any free one.")
    token_file = click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file of `role:token` lines; whoever asks needs one of them.",
    )
    hosts = click.option(
        "--hosts", type=NAMES, metavar="NAME,…", help="Names of this server besides loopback ones."
    )
    return host(port(token_file(hosts(command))))


@click.command()
@_host_and_port
@click.option("--slots", type=COUNT, help="Programs that run at a time.")
@click.option("--grace", type=DURATION, help="How long programs may go on when told to end.")
@store_options
def solo(settings: Settings) -> None:
    """Run server, controller and worker in one process."""
    worker = app.worker_settings(settings)
    app.run_async(serve(settings, server=True, controller=True, worker=worker))


@click.command()
@_host_and_port
@store_options
def server(settings: Settings) -> None:
    """Run the HTTP server."""
    app.run_async(serve(settings, server=True))


@click.command()
@store_options
def controller(settings: Settings) -> None:
    """Run a controller: it decides on jobs and takes lost workers' attempts away."""
    app.run_async(serve(settings, controller=True))


async def serve(
    settings: Settings,
    *,
    server: bool = False,
    controller: bool = False,
    worker: WorkerSettings | None = None,
) -> None:
    """Run the parts asked for until a signal; the second one skips every patience.

    Raises:
        JobyardError: a part could not start, or failed; the others were ended first.
    """
    log.configure(settings.log_level)
    async with open_yard(settings) as yard:
        parts = _Parts(
            settings.grace,
            make_server(yard) if server else None,
            yard.controller() if controller else None,
            yard.worker(worker) if worker is not None else None,
        )
        with contextlib.ExitStack() as announcement:

            def ready(url: str) -> None:
                # Servers of one PostgreSQL are told from each other by their addresses alone.
                if not settings.database:
                    announcement.enter_context(announced(settings.state_dir, url))
                say(f"listening on {url}")

            await parts.run(ready)


def make_server(yard: Yard) -> Server:
    """Take the address that the settings name, for the API of a store.

    Raises:
        InvalidSetting: the address is not a loopback one and there is no token, it cannot be
            had, or the token file is not sound.
    """
    # The web framework is imported only by processes that serve.
    from jobyard.api.access import read_tokens
    from jobyard.api.app import make_app
    from jobyard.api.serve import Server
    from jobyard.spec.document import Limits

    settings = yard.settings
    tokens = read_tokens(settings.token_file, settings.token)
    application = make_app(
        yard.store,
        yard.logs,
        executors=app.EXECUTORS,
        limits=Limits.of(settings),
        hosts=(*settings.hosts, settings.host),
        tokens=tokens,
        providers_dir=settings.providers_dir,
        data_dir=app.data_dir(settings),
        collect_after=settings.collect_after,
    )
    return Server(application, settings.host, settings.port, asks_for_tokens=bool(tokens))


class _Parts:
    """The parts of one process, ended together and in order: worker, controller, server."""

    def __init__(
        self,
        grace: float,
        server: Server | None,
        controller: Controller | None,
        worker: Worker | None,
    ) -> None:
        self._grace = grace
        self._server = server
        self._controller = controller
        self._worker = worker
        self._told = asyncio.Event()
        self._hurried = False

    async def run(self, ready: Callable[[str], None]) -> None:
        """Run every part until a signal, or until one of them ends; then end all."""
        with self._signals():
            tasks = [self._start(name, ready) for name in self._names()]
            await self._told.wait()
            log.info("ending")
            await self._end(tasks)
        for task in tasks:
            task.result()

    def _names(self) -> list[str]:
        parts = {"worker": self._worker, "controller": self._controller, "server": self._server}
        return [name for name, part in parts.items() if part is not None]

    def _start(self, name: str, ready: Callable[[str], None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._run_part(name, ready), name=name)
        # A part that ends by itself has failed, and takes the others with it.
        task.add_done_callback(lambda _: self._told.set())
        return task

    async def _run_part(self, name: str, ready: Callable[[str], None]) -> None:
        if name == "worker" and self._worker is not None:
            await self._worker.run()
        elif name == "controller" and self._controller is not None:
            log.info("controller ready")
            await self._controller.run()
        elif self._server is not None:
            server = self._server
            await server.run(lambda: ready(server.url))

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._heard)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _heard(self) -> None:
        if not self._told.is_set():
            self._told.set()
            return
        self._hurried = True
        if self._worker is not None:
            self._worker.end_working(0.0)
        if self._server is not None:
            self._server.end(at_once=True)

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        """End the worker while the others still serve it, then the others."""
        working = [task for task in tasks if task.get_name() == "worker"]
        if self._worker is not None and working:
            self._worker.end_fetching()
            _, unfinished = await asyncio.wait(working, timeout=self._grace)
            if unfinished:
                self._worker.end_working()
                await asyncio.wait(working)
        if self._controller is not None:
            self._controller.end()
        if self._server is not None:
            self._server.end(at_once=self._hurried)
        await asyncio.wait(tasks)
