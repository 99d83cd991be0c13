"""Whatever happens to a program or to its worker, no process of it is left. Real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import jobyard
from jobyard.core.job import Program, Resources
from jobyard.executor import limits, strays, tree, watcher
from jobyard.executor.base import Launch
from jobyard.executor.process import ProcessExecutor
from jobyard.testing.executors import PATIENCE, Witness, own_children

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

WORKER = Path(__file__).with_name("worker_process.py")
PYTHON = (sys.executable, "-I", "-S", "-c")
MIB = 1 << 20

# Each prints the pid of a process that left its program in one way or another, and goes on.
ESCAPES = {
    "double fork": "( sleep 1000 & echo $! )",
    "own session": "( setsid sleep 1000 & echo $! )",
    "wiped environment": "( env -i sleep 1000 & echo $! )",
    "own session, wiped environment": "( env -i setsid sleep 1000 & echo $! )",
    "own session, wiped, pipes closed": "( env -i setsid sleep 1000 >&- 2>&- <&- & echo $! )",
    "a tree of its own": "( setsid sh -c 'sleep 1000 & setsid sleep 1000 & wait' & echo $! )",
    "signals ignored": "( trap '' TERM INT HUP; setsid sleep 1000 & echo $! )",
}


def is_there(pid: int) -> bool:
    """Tell whether a process is there, dead but unreaped ones included."""
    return Path(f"/proc/{pid}").exists()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs, whoever may still have to reap it."""
    stat = watcher.read_stat(pid)
    return stat is not None and stat.state not in "ZX"


def wait_until_dead(pid: int) -> None:
    """Wait for the end of a process that need not be a child, reaped or not."""
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        ready, _, _ = select.select([pidfd], [], [], PATIENCE)
        os.close(pidfd)
        assert ready, f"process {pid} is still there"


@contextlib.asynccontextmanager
async def opened(scratch: Path, **settings: Any) -> AsyncIterator[ProcessExecutor]:
    executor = ProcessExecutor(scratch, environ=os.environ, **settings)
    await executor.open(f"{scratch.parent.name}-{scratch.name}")
    try:
        yield executor
    finally:
        await executor.close()


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., None]:
    """Run a test in an event loop with a fresh executor; afterwards no child may be left."""

    def run(test: Callable[[ProcessExecutor], Awaitable[None]], **settings: Any) -> None:
        async def main() -> None:
            async with opened(tmp_path / "scratch", **settings) as executor:
                await test(executor)

        before = own_children()
        asyncio.run(main())
        assert own_children() <= before

    return run


def start(executor: ProcessExecutor, *argv: str, **settings: Any) -> tuple[Any, Witness]:
    witness = Witness()
    number = settings.pop("attempt_id", 1)
    running = executor.start(Launch(number, argv, {}, Program(**settings)), witness)
    return running, witness


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES.keys())
def test_a_process_that_left_a_program_is_gone_when_its_end_is_told(
    check: Callable[..., None], escape: str
) -> None:
    async def test(executor: ProcessExecutor) -> None:
        _, witness = start(executor, "sh", "-c", f"{escape}; exit 3")
        assert (await witness.end()).exit_code == 3
        assert not is_there(int(witness.stdout))

    check(test)


@pytest.mark.parametrize("grace", [0, 30])
@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES.keys())
def test_a_process_that_left_a_program_goes_with_it_when_it_is_stopped(
    check: Callable[..., None], escape: str, grace: float
) -> None:
    async def test(executor: ProcessExecutor) -> None:
        running, witness = start(executor, "sh", "-c", f"{escape}; exec sleep 1000")
        pid = int(await witness.line())
        running.stop(grace)
        assert (await witness.end()).signal == (signal.SIGTERM if grace else signal.SIGKILL)
        assert not is_there(pid)

    check(test)


def test_a_stop_asks_what_left_the_group_as_politely_as_the_program(
    check: Callable[..., None],
) -> None:
    script = """
    setsid sh -c 'trap "echo asked; exit" TERM; echo ready; while :; do read x; done' <"$1" &
    trap "" TERM
    wait
    """

    async def test(executor: ProcessExecutor) -> None:
        with fifo() as path:
            running, witness = start(executor, "sh", "-c", script, "sh", path)
            assert await witness.line() == b"ready"
            running.stop(30)
            assert await witness.line() == b"asked"
            running.stop(0)
            await witness.end()

    check(test)


@contextlib.contextmanager
def fifo() -> Iterator[str]:
    """Make a named pipe that never says anything."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/fifo"
        os.mkfifo(path)
        end = os.open(path, os.O_RDWR)
        yield path
        os.close(end)


def test_the_strays_of_one_program_are_not_killed_for_the_end_of_another(
    check: Callable[..., None],
) -> None:
    async def test(executor: ProcessExecutor) -> None:
        escaped = []
        programs = []
        for number, escape in enumerate(ESCAPES.values(), 1):
            script = f"{escape}; exec sleep 1000"
            program = start(executor, "sh", "-c", script, attempt_id=number)
            escaped.append(int(await program[1].line()))
            programs.append(program)
        # Started last, it cannot be the parent of any of them.
        _, witness = start(executor, "sh", "-c", ESCAPES["double fork"], attempt_id=99)
        await witness.end()
        assert all(is_there(pid) for pid in escaped)
        for running, witness in programs:
            running.stop(0)
            await witness.end()
        assert not any(is_there(pid) for pid in escaped)

    check(test)


def test_a_stray_that_ends_by_itself_is_reaped_while_its_program_runs(
    check: Callable[..., None],
) -> None:
    async def test(executor: ProcessExecutor) -> None:
        script = "( setsid sh -c : & echo $! ); exec sleep 1000"
        running, witness = start(executor, "sh", "-c", script)
        wait_until_dead(pid := int(await witness.line()))
        async with asyncio.timeout(PATIENCE):
            while is_there(pid):
                # Any turn of the loop will do, there is no event that says "reaped".
                await asyncio.to_thread(is_there, pid)
        running.stop(0)
        await witness.end()

    check(test, tick=0.01)


def test_a_child_of_the_worker_that_is_no_program_is_left_alone(
    check: Callable[..., None],
) -> None:
    async def test(executor: ProcessExecutor) -> None:
        with subprocess.Popen(["sleep", "1000"]) as child:
            _, witness = start(executor, "true")
            await witness.end()
            assert child.poll() is None
            child.kill()
            assert child.wait() == -signal.SIGKILL

    check(test)


def test_a_daemon_of_the_worker_that_was_there_before_is_left_alone(
    check: Callable[..., None],
) -> None:
    # Its parent ends, so that it becomes a child of this process, which is a subreaper.
    tree.become_subreaper()
    with subprocess.Popen(["sh", "-c", "setsid sleep 1000 >&- & echo $!"], stdout=-1) as parent:
        pid = int(parent.communicate()[0])

    async def test(executor: ProcessExecutor) -> None:
        _, witness = start(executor, "sh", "-c", ESCAPES["own session, wiped environment"])
        await witness.end()
        assert is_alive(pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    check(test)


def test_two_executors_in_one_process_leave_each_others_programs_alone(
    check: Callable[..., None], tmp_path: Path
) -> None:
    async def test(executor: ProcessExecutor) -> None:
        async with opened(tmp_path / "other") as other:
            escape = ESCAPES["own session, wiped environment"]
            running, kept = start(other, "sh", "-c", f"{escape}; exec sleep 1000")
            pid = int(await kept.line())
            _, witness = start(executor, "sh", "-c", "setsid true", attempt_id=2)
            await witness.end()
            assert kept.story[-1] != "ended"
            assert is_there(pid)
            running.stop(0)
            await kept.end()
            assert not is_there(pid)

    check(test)


def test_a_foreign_holder_of_the_pipe_delays_the_end_for_a_bounded_time(
    check: Callable[..., None],
) -> None:
    # Out of this executor's sight: opens the program's stdout through /proc and keeps it.
    script = """
import os, sys
held = os.open(f"/proc/{sys.argv[1]}/fd/1", os.O_WRONLY)
print("held", flush=True)
sys.stdin.read(1)
os.write(held, b"too late")
"""

    async def test(executor: ProcessExecutor) -> None:
        running, witness = start(executor, "sh", "-c", "echo $$; exec sleep 1000")
        command = [*PYTHON, script, (await witness.line()).decode()]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdin is not None
            assert await asyncio.to_thread(holder.stdout.readline) == b"held\n"
            running.stop(0)
            assert (await witness.end()).exit_code == 137
            holder.stdin.write(b"x")
            holder.stdin.close()
            holder.wait()
        assert witness.stdout == b""

    check(test, drain=0.05)


def test_a_program_that_forks_without_end_is_gone_in_the_end(check: Callable[..., None]) -> None:
    # Every process leaves its parent's session and dies soon after it had a child.
    script = """
import os, sys
print("ready", flush=True)
while True:
    if os.fork():
        os._exit(0) if os.getsid(0) == os.getpid() and os.getpid() != int(sys.argv[1]) else None
        os.waitpid(-1, 0)
    else:
        os.setsid()
"""

    async def test(executor: ProcessExecutor) -> None:
        running, witness = start(executor, "sh", "-c", 'exec "$@" $$', "sh", *PYTHON, script)
        await witness.line()
        running.stop(0)
        assert (await witness.end()).exit_code == 137
        assert watcher.find_victims(executor._session, {}) == []

    check(test)


EATER = """
import os
print("ready", flush=True)
hold = []
while True:
    hold.append(b"x" * (1 << 20))
"""
FAMILY = """
import os
hold = bytearray(b"x") * (40 << 20)
for _ in range(4):
    if os.fork() == 0:
        hold = bytearray(b"y") * (40 << 20)
        break
print("ready", flush=True)
import signal
signal.pause()
"""


@pytest.mark.parametrize("script", [EATER, FAMILY], ids=["one process", "a family"])
@pytest.mark.parametrize("cgroups", [True, False], ids=["cgroup", "sampled"])
def test_a_program_that_takes_too_much_memory_is_killed_and_says_so(
    check: Callable[..., None], *, cgroups: bool, script: str
) -> None:
    async def test(executor: ProcessExecutor) -> None:
        if cgroups and executor.capabilities().memory_limit != "cgroup":
            pytest.skip("no cgroup can be made here")
        _, witness = start(executor, *PYTHON, script, resources=Resources(limit_memory=100 * MIB))
        how = await witness.end()
        assert (how.exit_code, how.signal, how.oom) == (137, 9, True)
        assert how.usage.peak_memory_bytes >= (90 if cgroups else 100) * MIB

    check(test, use_cgroups=cgroups, sample=0.005)


def test_memory_taken_before_the_move_into_the_cgroup_counts_too(
    check: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = limits.CgroupLimit.enter

    async def test(executor: ProcessExecutor) -> None:
        if executor.capabilities().memory_limit != "cgroup":
            pytest.skip("no cgroup can be made here")

        def late(limit: limits.CgroupLimit, pid: int, members: Any) -> None:
            while len(tree.read_descendants(pid)) < 4 or sum_resident(members()) < 200 * MIB:
                assert is_alive(pid)
            enter(limit, pid, members)

        monkeypatch.setattr(limits.CgroupLimit, "enter", late)
        _, witness = start(executor, *PYTHON, FAMILY, resources=Resources(limit_memory=100 * MIB))
        assert (await witness.end()).oom

    check(test, sample=0.005)


def sum_resident(pids: list[int]) -> int:
    return sum(map(tree.read_resident, pids))


def test_memory_that_a_family_shares_is_counted_once(check: Callable[..., None]) -> None:
    script = """
import os, sys
hold = bytearray(b"x") * (60 << 20)
print("ready", flush=True)
for _ in range(3):
    if os.fork() == 0:
        break
sys.stdin = open(sys.argv[1])
sys.stdin.readline()
"""

    async def test(executor: ProcessExecutor) -> None:
        with fifo() as path:
            running, witness = start(
                executor, *PYTHON, script, path, resources=Resources(limit_memory=150 * MIB)
            )
            await witness.line()
            for _ in range(20):
                running.check_limit()
            running.stop(30)
            assert not (await witness.end()).oom

    check(test, use_cgroups=False, sample=1000)


def test_a_program_and_what_it_forked_at_once_are_inside_its_cgroup(
    check: Callable[..., None], tmp_path: Path
) -> None:
    script = "sleep 1000 & (setsid sleep 1000 & echo $!); echo $!; read line < $1"

    async def test(executor: ProcessExecutor) -> None:
        able = executor.capabilities()
        wanted = [able.memory_limit, able.cpu_limit].count("cgroup")
        asked = Resources(limit_memory=200 * MIB, limit_cpu=0.5)
        with fifo() as path:
            for _ in range(10):
                running, witness = start(executor, "sh", "-c", script, "sh", path, resources=asked)
                stray, child = [int(await witness.line()) for _ in range(2)]
                assert witness.handle is not None
                await looked_at(stray)
                for pid in (witness.handle.state["pid"], child, stray):
                    assert count_cgroups(pid, f"/jobyard-{executor._session}/1") >= wanted
                running.stop(30)
                await witness.end()
        folders = [executor._cgroups.memory, executor._cgroups.cpu]
        assert [path for folder in folders if folder for path in folder.glob("1*")] == []

    check(test, tick=0.01)
    assert list(Path("/sys/fs/cgroup").rglob(f"jobyard-{tmp_path.name}*")) == []


def count_cgroups(pid: int, end: str) -> int:
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return sum(line.endswith(end) for line in lines)


async def looked_at(stray: int) -> None:
    """Let the loop turn until a stray was found."""
    async with asyncio.timeout(PATIENCE):
        while stray not in strays._STRAYS:
            await asyncio.to_thread(is_there, stray)


def test_a_program_within_its_limits_ends_well(check: Callable[..., None]) -> None:
    async def test(executor: ProcessExecutor) -> None:
        asked = Resources(limit_memory=200 * MIB, limit_cpu=0.5)
        for _ in range(20):
            _, witness = start(executor, "true", resources=asked)
            how = await witness.end()
            assert (how.exit_code, how.oom) == (0, False)

    check(test)


def test_version_two_cgroups_are_written_as_the_kernel_wants_them(tmp_path: Path) -> None:
    base = tmp_path / "user.slice"
    base.mkdir()
    for folder in (base, base / "jobyard-s", base / "jobyard-s" / "1-1"):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.controllers").write_text("cpu memory pids\n")
        (folder / "cgroup.subtree_control").write_text("")
        (folder / "cgroup.procs").write_text("1\n2\n")
        (folder / "memory.swap.max").write_text("max")
        (folder / "memory.oom.group").write_text("0")
    found = limits.find("s", tmp_path, "0::/user.slice\n")
    asked = Resources(limit_memory=MIB, limit_cpu=1.5)
    (limit,) = found.limit("1-1", asked)
    made = base / "jobyard-s" / "1-1"

    assert (base / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (made / "memory.max").read_text() == str(MIB)
    assert (made / "memory.swap.max").read_text() == "0"
    assert (made / "memory.oom.group").read_text() == "1"
    assert (made / "cpu.max").read_text() == "150000 100000"
    (made / "memory.events").write_text("low 0\noom 3\noom_kill 0\n")
    assert not limit.breached()
    (made / "memory.events").write_text("low 0\noom 3\noom_kill 1\n")
    assert limit.breached()
    (made / "memory.peak").write_text("12345\n")
    assert limit.peak() == 12345


def test_without_a_cgroup_of_ones_own_limits_are_sampled(tmp_path: Path) -> None:
    found = limits.find("s", tmp_path, "0::/user.slice\n")

    assert (found.memory, found.cpu) == (None, None)
    assert [type(limit) for limit in found.limit("1-1", Resources(limit_memory=MIB))] == [
        limits.SampledLimit
    ]


class Worker:
    """A worker process, and what it said."""

    def __init__(self, scratch: Path, *programs: tuple[str, ...], **orders: Any) -> None:
        self.scratch = scratch
        self.session = scratch.parent.name
        everything = {
            "scratch": str(scratch),
            "session": self.session,
            "programs": programs,
            **orders,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps(everything)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(Path(jobyard.__file__).parents[1])},
        )
        self.unheard: list[list[str]] = []
        self.watcher = int(self.line("watcher")[0])

    def end_of_watch(self) -> None:
        """Wait until the watcher has done all it does: killed, removed, ended."""
        wait_until_dead(self.watcher)
        assert list(Path("/sys/fs/cgroup").rglob(f"jobyard-{self.session}")) == []

    def line(self, *words: str) -> list[str]:
        """Wait for a line that begins with these words, take it, return the rest of its words."""
        assert self.process.stdout is not None
        for said in self.unheard:
            if said[: len(words)] == list(words):
                self.unheard.remove(said)
                return said[len(words) :]
        for line in self.process.stdout:
            said = line.decode().split()
            if said[: len(words)] == list(words):
                return said[len(words) :]
            self.unheard.append(said)
        pytest.fail(f"the worker ended without saying {words}")

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def left(self) -> list[int]:
        return [stat.pid for stat in watcher.find_victims(self.session, {})]


@pytest.fixture
def working(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []
    before = own_children()

    def make(*programs: tuple[str, ...], **orders: Any) -> Worker:
        workers.append(Worker(tmp_path / "scratch", *programs, **orders))
        return workers[-1]

    yield make
    for worker in workers:
        worker.process.kill()
        worker.process.wait()
        watcher.sweep(worker.session, {})
        wait_until_dead(worker.watcher)
        assert worker.process.stdout is not None
        assert worker.process.stdin is not None
        worker.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.close()
    # This process is a subreaper by now: what outlived a worker became its child.
    for child in own_children() - before:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def sleeping(name: str, extra: str = "") -> tuple[str, ...]:
    return ("sh", "-c", f"{extra} echo {name} $$; exec sleep 1000")


def test_programs_die_with_a_worker_that_is_killed(working: Callable[..., Worker]) -> None:
    worker = working(sleeping("one"), sleeping("two"))
    pids = [int(worker.line(name)[0]) for name in ("one", "two")]
    worker.kill()

    worker.end_of_watch()
    assert not any(is_alive(pid) for pid in pids)
    assert worker.left() == []
    assert not (worker.scratch / worker.session).exists()


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES.keys())
def test_what_left_a_program_dies_with_a_worker_that_is_killed(
    working: Callable[..., Worker], escape: str
) -> None:
    escape = escape.replace("echo", "echo escaped")
    worker = working(("sh", "-c", f"{escape}; exec sleep 1000"))
    pid = worker.line("escaped")[0]
    worker.line("registered", pid)
    worker.kill()

    worker.end_of_watch()
    assert not is_alive(int(pid))
    assert worker.left() == []


def test_what_stayed_in_a_programs_session_dies_with_a_killed_worker_that_never_saw_it(
    working: Callable[..., Worker],
) -> None:
    escape = ESCAPES["wiped environment"].replace("echo", "echo escaped")
    worker = working(("sh", "-c", f"{escape}; exec sleep 1000"), tick=1000)
    pid = int(worker.line("escaped")[0])
    worker.kill()

    worker.end_of_watch()
    assert not is_alive(pid)


def test_a_program_without_a_trace_in_its_environment_dies_with_its_worker(
    working: Callable[..., Worker],
) -> None:
    worker = working(("env", "-i", "sh", "-c", "echo wiped $$; exec sleep 1000"))
    pid = int(worker.line("wiped")[0])
    worker.kill()

    worker.end_of_watch()
    assert not is_alive(pid)


def test_a_program_that_was_not_registered_yet_dies_with_its_worker(
    working: Callable[..., Worker],
) -> None:
    worker = working(sleeping("one"), sleeping("two"), die_unregistered=True)
    assert worker.process.wait(PATIENCE) == -signal.SIGKILL

    worker.end_of_watch()
    assert worker.left() == []


def test_a_program_that_kills_its_worker_dies_too(working: Callable[..., Worker]) -> None:
    worker = working(("sh", "-c", "kill -9 $PPID; exec sleep 1000"))
    assert worker.process.wait(PATIENCE) == -signal.SIGKILL

    worker.end_of_watch()
    assert worker.left() == []


def test_a_worker_that_closes_leaves_neither_programs_nor_watcher(
    working: Callable[..., Worker],
) -> None:
    worker = working(sleeping("one"))
    pid = int(worker.line("one")[0])
    assert worker.process.stdin is not None
    worker.process.stdin.close()

    assert worker.process.wait(PATIENCE) == 0
    assert not is_alive(pid)
    assert not is_alive(worker.watcher)
    assert not (worker.scratch / worker.session).exists()


def test_a_frozen_worker_loses_its_programs_at_the_deadline_and_learns_of_it(
    working: Callable[..., Worker],
) -> None:
    worker = working(sleeping("one"), deadline=1)
    pid = int(worker.line("one")[0])
    os.kill(worker.process.pid, signal.SIGSTOP)
    assert is_alive(pid)

    wait_until_dead(pid)
    assert is_alive(worker.watcher)
    os.kill(worker.process.pid, signal.SIGCONT)
    assert worker.line("ended", "1") == ["137"]


def test_a_renewal_in_time_keeps_the_programs_and_the_watch_goes_on(
    working: Callable[..., Worker],
) -> None:
    worker = working(sleeping("one"), deadline=1)
    pid = int(worker.line("one")[0])
    worker.say("renew 1000")
    worker.line("renewed")
    worker.say("renew 0.2")
    assert worker.line("ended", "1") == ["137"]
    assert not is_alive(pid)
    worker.say("renew 1000")
    worker.line("renewed")
    worker.kill()

    worker.end_of_watch()


def test_a_watcher_that_dies_is_replaced_by_one_that_knows_everything(
    working: Callable[..., Worker],
) -> None:
    worker = working(("env", "-i", "sh", "-c", "echo wiped $$; exec sleep 1000"))
    pid = int(worker.line("wiped")[0])
    os.kill(worker.watcher, signal.SIGKILL)
    worker.watcher = int(worker.line("watcher")[0])
    worker.kill()

    worker.end_of_watch()
    assert not is_alive(pid)


def test_signals_to_the_terminals_group_do_not_reach_the_watcher(
    working: Callable[..., Worker],
) -> None:
    worker = working(sleeping("one"))
    worker.line("one")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(worker.watcher, number)
    assert os.getsid(worker.watcher) == worker.watcher
    worker.kill()

    worker.end_of_watch()
    assert worker.left() == []


def test_a_process_that_only_has_the_pid_of_a_registered_one_is_left_alone() -> None:
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    stat = watcher.read_stat(child.pid)
    assert stat is not None
    found = [watcher.find_victims("none", {child.pid: stat.start - early}) for early in (1, 0)]
    child.kill()
    child.wait()

    assert [[victim.pid for victim in victims] for victims in found] == [[], [child.pid]]


def test_what_a_dead_session_left_is_collected(working: Callable[..., Worker]) -> None:
    worker = working(sleeping("one"), sleeping("two"))
    pids = [int(worker.line(name)[0]) for name in ("one", "two")]
    # The watcher cannot do it: that is what collecting is for.
    os.kill(worker.process.pid, signal.SIGSTOP)
    os.kill(worker.watcher, signal.SIGKILL)
    worker.kill()
    assert all(is_alive(pid) for pid in pids)

    async def main() -> None:
        async with opened(worker.scratch) as executor:
            assert await executor.collect(worker.session) == 3
            assert not any(is_alive(pid) for pid in pids)
            assert await executor.collect(worker.session) == 0

    asyncio.run(main())
    assert not (worker.scratch / worker.session).exists()
