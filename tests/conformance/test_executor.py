"""The promises of an executor, one test for each, kept by every executor it has a meaning for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.core.job import FakeScript, Program
from jobyard.executor.base import Executor, Exit, Handle, Launch
from jobyard.executor.fake import FakeExecutor
from jobyard.executor.process import ProcessExecutor
from jobyard.testing.executors import Witness, own_children

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Test = Callable[["Bench"], Awaitable[None]]

ENVIRON = {"PATH": os.defpath, "HOME": "/home/of/worker", "LANG": "C", "SECRET": "not handed down"}
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
OPEN_FILES = Path("/proc/self/fd")
PYTHON = (sys.executable, "-I", "-S", "-c")


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


class Bench:
    """An open executor and the words to make it do the same things as any other."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.number = 0

    def launch(
        self, *argv: str, env: dict[str, str] | None = None, grace: float = 30.0, **program: Any
    ) -> Launch:
        self.number += 1
        return Launch(self.number, argv, env or {}, Program(**program), grace=grace)

    async def run(self, *argv: str, **settings: Any) -> tuple[Exit, Witness]:
        witness = Witness()
        self.executor.start(self.launch(*argv, **settings), witness)
        return await witness.end(), witness


class Acts:
    """What programs do, said for each executor in its own way."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def _act(self, script: str, **fake: Any) -> dict[str, Any]:
        argv = ("sh", "-c", script)
        return {"argv": argv, "fake": FakeScript(**fake) if self.kind == "fake" else None}

    def succeed(self) -> dict[str, Any]:
        return self._act("exit 0")

    def fail(self) -> dict[str, Any]:
        return self._act("exit 7", exit_code=7)

    def speak(self) -> dict[str, Any]:
        return self._act("printf hello", output="hello")

    def wait(self) -> dict[str, Any]:
        return self._act("echo ready; exec sleep 1000", run_for=1000, output="ready\n")

    def ignore_stop(self) -> dict[str, Any]:
        script = "trap '' TERM; echo ready; while :; do sleep 1000; done"
        return self._act(script, run_for=1000, output="ready\n", ignore_stop=True)

    def miss(self) -> dict[str, Any]:
        act = self._act("", fail_to_start=True)
        return act | {"argv": ("/there/is/no/such/program",)}


@contextlib.asynccontextmanager
async def opened(executor: Executor) -> AsyncIterator[Bench]:
    await executor.open("test-session")
    try:
        yield Bench(executor)
    finally:
        await executor.close()


def start(bench: Bench, act: dict[str, Any], **settings: Any) -> tuple[Any, Witness]:
    witness = Witness()
    argv = act["argv"]
    launch = bench.launch(*argv, fake=act["fake"], **settings)
    return bench.executor.start(launch, witness), witness


@pytest.fixture(params=["process", "fake"])
def acts(request: pytest.FixtureRequest) -> Acts:
    return Acts(request.param)


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., ProcessExecutor]:
    def make(**settings: Any) -> ProcessExecutor:
        return ProcessExecutor(tmp_path / "scratch", environ=ENVIRON, **settings)

    return make


@pytest.fixture
def check(acts: Acts, process: Callable[..., ProcessExecutor]) -> Callable[[Test], None]:
    """Run a test in an event loop with a fresh executor."""

    def run(test: Test) -> None:
        async def main() -> None:
            async with opened(process() if acts.kind == "process" else FakeExecutor()) as bench:
                await test(bench)

        asyncio.run(main())

    return run


@pytest.fixture
def check_process(process: Callable[..., ProcessExecutor]) -> Callable[..., None]:
    """Run a test in an event loop with a fresh process executor."""

    def run(test: Test, **settings: Any) -> None:
        async def main() -> None:
            async with opened(process(**settings)) as bench:
                await test(bench)

        asyncio.run(main())

    return run


def test_a_success_is_told_as_started_then_ended(check: Callable[[Test], None], acts: Acts) -> None:
    async def test(bench: Bench) -> None:
        _, witness = start(bench, acts.succeed())
        assert (await witness.end()).exit_code == 0
        assert witness.story == ["started", "ended"]

    check(test)


def test_nothing_is_told_before_start_returned(check: Callable[[Test], None], acts: Acts) -> None:
    async def test(bench: Bench) -> None:
        for act in (acts.succeed(), acts.miss(), acts.speak()):
            _, witness = start(bench, act)
            assert witness.story == []
            await witness.end()

    check(test)


def test_an_exit_code_is_told(check: Callable[[Test], None], acts: Acts) -> None:
    async def test(bench: Bench) -> None:
        _, witness = start(bench, acts.fail())
        how = await witness.end()
        assert (how.exit_code, how.signal, how.start_error) == (7, None, None)

    check(test)


def test_output_comes_before_the_end(check: Callable[[Test], None], acts: Acts) -> None:
    async def test(bench: Bench) -> None:
        _, witness = start(bench, acts.speak())
        await witness.end()
        assert witness.stdout == b"hello"
        assert witness.story[-1] == "ended"

    check(test)


def test_what_cannot_start_ends_without_having_started(
    check: Callable[[Test], None], acts: Acts
) -> None:
    async def test(bench: Bench) -> None:
        running, witness = start(bench, acts.miss())
        running.stop(0)
        how = await witness.end()
        assert how.exit_code == 127
        assert how.start_error
        assert witness.story == ["ended"]

    check(test)


def test_a_stop_ends_a_program_by_sigterm(check: Callable[[Test], None], acts: Acts) -> None:
    async def test(bench: Bench) -> None:
        running, witness = start(bench, acts.wait())
        await witness.line()
        running.stop(30)
        how = await witness.end()
        assert (how.exit_code, how.signal, how.timed_out) == (143, 15, False)

    check(test)


def test_a_stop_in_the_turn_of_the_start_is_honoured(
    check: Callable[[Test], None], acts: Acts
) -> None:
    async def test(bench: Bench) -> None:
        running, witness = start(bench, acts.wait())
        running.stop(30)
        assert (await witness.end()).exit_code == 143

    check(test)


def test_a_program_that_ignores_a_stop_is_killed_after_its_grace(
    check: Callable[[Test], None], acts: Acts
) -> None:
    async def test(bench: Bench) -> None:
        running, witness = start(bench, acts.ignore_stop())
        await witness.line()
        running.stop(0.05)
        how = await witness.end()
        assert (how.exit_code, how.signal) == (137, 9)

    check(test)


def test_a_second_stop_may_shorten_the_grace(check: Callable[[Test], None], acts: Acts) -> None:
    async def test(bench: Bench) -> None:
        running, witness = start(bench, acts.ignore_stop())
        await witness.line()
        running.stop(1000)
        running.stop(0.05)
        assert (await witness.end()).exit_code == 137

    check(test)


def test_a_second_stop_never_lengthens_the_grace(check: Callable[[Test], None], acts: Acts) -> None:
    async def test(bench: Bench) -> None:
        running, witness = start(bench, acts.ignore_stop())
        await witness.line()
        running.stop(0.05)
        running.stop(1000)
        assert (await witness.end()).exit_code == 137

    check(test)


def test_a_stop_without_grace_kills_at_once(check: Callable[[Test], None], acts: Acts) -> None:
    async def test(bench: Bench) -> None:
        running, witness = start(bench, acts.wait())
        await witness.line()
        running.stop(0)
        assert (await witness.end()).exit_code == 137

    check(test)


def test_a_stop_after_the_end_changes_nothing(check: Callable[[Test], None], acts: Acts) -> None:
    async def test(bench: Bench) -> None:
        running, witness = start(bench, acts.succeed())
        await witness.end()
        running.stop(0)
        running.pause_output()
        running.resume_output()
        assert witness.story == ["started", "ended"]

    check(test)


def test_an_attempt_that_takes_too_long_is_stopped_and_says_so(
    check: Callable[[Test], None], acts: Acts
) -> None:
    async def test(bench: Bench) -> None:
        _, witness = start(bench, acts.wait(), attempt_timeout=0.1)
        how = await witness.end()
        assert (how.exit_code, how.timed_out) == (143, True)

    check(test)


def test_closing_ends_whatever_runs(acts: Acts, process: Callable[..., ProcessExecutor]) -> None:
    async def main() -> None:
        async with opened(process() if acts.kind == "process" else FakeExecutor()) as bench:
            witnesses = [start(bench, act())[1] for act in (acts.wait, acts.ignore_stop) * 3]
            await witnesses[0].line()
        assert [(await witness.end()).exit_code for witness in witnesses] == [137] * 6

    asyncio.run(main())


def test_an_observer_that_fails_does_not_stop_the_other_programs(
    check: Callable[[Test], None], acts: Acts
) -> None:
    async def test(bench: Bench) -> None:
        reports: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))

        class Broken(Witness):
            def ended(self, how: Exit) -> None:
                super().ended(how)
                raise RuntimeError("broken observer")

        broken = Broken()
        act = acts.succeed()
        bench.executor.start(bench.launch(*act["argv"], fake=act["fake"]), broken)
        _, sound = start(bench, acts.succeed())
        await broken.end()
        await sound.end()
        assert [str(report["exception"]) for report in reports] == ["broken observer"]

    check(test)


def test_an_observer_may_start_the_next_program_when_one_ends(
    check: Callable[[Test], None], acts: Acts
) -> None:
    async def test(bench: Bench) -> None:
        codes: list[int] = []
        finished = asyncio.Event()

        class Relay(Witness):
            def ended(self, how: Exit) -> None:
                codes.append(how.exit_code)
                if len(codes) < 20:
                    start_next()
                else:
                    finished.set()

        def start_next() -> None:
            act = acts.succeed()
            bench.executor.start(bench.launch(*act["argv"], fake=act["fake"]), Relay())

        start_next()
        async with asyncio.timeout(20):
            await finished.wait()
        assert codes == [0] * 20

    check(test)


def test_what_cannot_be_found_again_is_not_adopted(
    check: Callable[[Test], None], acts: Acts
) -> None:
    async def test(bench: Bench) -> None:
        handle = Handle(acts.kind, {"pid": os.getpid()})
        assert not bench.executor.capabilities().adopts
        assert await bench.executor.adopt(handle, bench.launch("true"), Witness()) is None

    check(test)


def test_a_session_that_left_nothing_needs_no_collecting(check: Callable[[Test], None]) -> None:
    async def test(bench: Bench) -> None:
        assert await bench.executor.collect("no-such-session") == 0

    check(test)


def test_the_environment_is_what_the_launch_says_and_no_more(
    check_process: Callable[..., None], tmp_path: Path
) -> None:
    async def test(bench: Bench) -> None:
        _, witness = await bench.run(
            "/usr/bin/env", "-0", env={"A": "1", "LANG": "de", "B": "ä\n="}
        )
        env = dict(entry.split("=", 1) for entry in witness.stdout.decode().split("\0") if entry)
        folder = f"{tmp_path}/scratch/test-session/1"
        assert env == {
            "PATH": ENVIRON["PATH"],
            "HOME": ENVIRON["HOME"],
            "LANG": "de",
            "A": "1",
            "B": "ä\n=",
            "JOBYARD_ATTEMPT_ID": "1",
            "JOBYARD_SESSION": "test-session",
            "JOBYARD_SCRATCH": folder,
            "JOBYARD_PROGRESS": f"{folder}/progress",
            "JOBYARD_RESULT": f"{folder}/result",
            "JOBYARD_RETRY": f"{folder}/retry",
        }

    check_process(test)


REPORT = """
import json, os, resource, signal
mask = os.umask(0)
print(json.dumps({
    "umask": mask,
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "files": sorted(map(int, os.listdir("/proc/self/fd")))[:3],
    "count": len(os.listdir("/proc/self/fd")),
    "stdin": os.readlink("/proc/self/fd/0"),
    "session": os.getsid(0) == os.getpid() == os.getpgrp(),
    "cwd": os.getcwd(),
    "nice": os.nice(0),
    "blocked": [line.split()[1] for line in open("/proc/self/status") if line.startswith("SigBlk")],
}))
"""


def test_a_program_gets_the_limits_and_files_it_should_and_no_others(
    check_process: Callable[..., None], tmp_path: Path
) -> None:
    async def test(bench: Bench) -> None:
        how, witness = await bench.run(*PYTHON, REPORT, working_dir=str(tmp_path))
        assert how.exit_code == 0, witness.stderr
        umask = os.umask(0)
        os.umask(umask)
        assert json.loads(witness.stdout) == {
            "umask": umask,
            "nofile": list(resource.getrlimit(resource.RLIMIT_NOFILE)),
            "core": list(resource.getrlimit(resource.RLIMIT_CORE)),
            "files": [0, 1, 2],
            "count": 4,
            "stdin": "/dev/null",
            "session": True,
            "cwd": str(tmp_path),
            "nice": os.nice(0),
            "blocked": ["0" * 16],
        }

    check_process(test)


def test_sigpipe_ends_a_program_as_it_does_in_a_shell(check_process: Callable[..., None]) -> None:
    async def test(bench: Bench) -> None:
        how, witness = await bench.run("grep", "SigIgn", "/proc/self/status")
        assert how.exit_code == 0
        assert int(witness.stdout.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0
        how, _ = await bench.run("sh", "-c", "kill -PIPE $$")
        assert (how.exit_code, how.signal) == (141, signal.SIGPIPE)

    check_process(test)


def test_a_program_runs_in_the_folder_the_executor_was_given(
    check_process: Callable[..., None], tmp_path: Path
) -> None:
    async def test(bench: Bench) -> None:
        _, witness = await bench.run("pwd")
        assert witness.stdout.decode() == f"{tmp_path}\n"
        _, witness = await bench.run("pwd", working_dir="/")
        assert witness.stdout == b"/\n"

    check_process(test, working_dir=str(tmp_path))


def test_every_reason_not_to_start_has_its_sentence(
    check_process: Callable[..., None], tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.write_text("just text")
    headless = tmp_path / "headless"
    headless.write_text("echo hello\n")
    headless.chmod(0o755)
    orphan = tmp_path / "orphan"
    orphan.write_text("#!/no/such/interpreter\n")
    orphan.chmod(0o755)
    cases: list[tuple[tuple[str, ...], dict[str, Any], int, str]] = [
        ((), {}, 127, "there is no command to run"),
        (("nosuchcommand",), {}, 127, "command not found: `nosuchcommand`"),
        (("/no/such/file",), {}, 127, "command not found: `/no/such/file`"),
        (("",), {}, 127, "there is no command to run"),
        ((str(plain),), {}, 126, f"permission denied: `{plain}`"),
        ((str(tmp_path),), {}, 126, f"permission denied: `{tmp_path}`"),
        ((str(headless),), {}, 126, "neither a program nor a script"),
        ((str(orphan),), {}, 127, "the interpreter it asks for is not"),
        (("true",), {"working_dir": "/no/such/folder"}, 126, "working folder `/no/such/folder`"),
        (("true",), {"working_dir": str(plain)}, 126, f"working folder `{plain}`"),
        (("true",), {"working_dir": "a\0b"}, 126, "working folder"),
        (("true", "x" * 3_000_000), {}, 126, "longer than the system allows"),
        (("true", "a\0b"), {}, 126, "command 'true' or one of its arguments"),
        (("tr\0ue",), {}, 126, "command 'tr\\x00ue'"),
        (("true", "\ud800"), {}, 126, "command 'true' or one of its arguments"),
        (("true",), {"env": {"A": "a\0b"}}, 126, "environment variable 'A'"),
        (("true",), {"env": {"A=B": "x"}}, 126, "environment variable 'A=B'"),
    ]

    async def test(bench: Bench) -> None:
        for argv, settings, code, sentence in cases:
            how, witness = await bench.run(*argv, **settings)
            assert (how.exit_code, how.signal) == (code, None), argv
            assert sentence in (how.start_error or ""), argv
            assert witness.story == ["ended"]

    check_process(test)


def test_a_signal_is_told_as_a_shell_does(check_process: Callable[..., None]) -> None:
    async def test(bench: Bench) -> None:
        how, _ = await bench.run("sh", "-c", "kill -SEGV $$")
        assert (how.exit_code, how.signal) == (139, 11)

    check_process(test)


def test_a_handle_says_pid_start_time_and_boot(check_process: Callable[..., None]) -> None:
    async def test(bench: Bench) -> None:
        _, witness = await bench.run("cat", "/proc/self/stat")
        fields = witness.stdout.split()
        assert witness.handle is not None
        assert witness.handle.state == {
            "pid": int(fields[0]),
            "start_time": int(fields[21]),
            "boot_id": BOOT_ID,
        }

    check_process(test)


def test_a_line_of_ten_mebibytes_arrives_byte_for_byte(check_process: Callable[..., None]) -> None:
    script = "import sys; sys.stdout.buffer.write(bytes(range(1, 10)) * 1165084 + b'abcd' + b'\\n')"

    async def test(bench: Bench) -> None:
        how, witness = await bench.run(*PYTHON, script)
        assert how.exit_code == 0
        assert witness.stdout == bytes(range(1, 10)) * 1165084 + b"abcd\n"

    check_process(test)


def test_bytes_that_are_no_text_arrive_on_their_own_stream(
    check_process: Callable[..., None],
) -> None:
    script = "import os; os.write(1, bytes(range(256))); os.write(2, bytes(range(255, -1, -1)))"

    async def test(bench: Bench) -> None:
        _, witness = await bench.run(*PYTHON, script)
        assert witness.stdout == bytes(range(256))
        assert witness.stderr == bytes(range(255, -1, -1))

    check_process(test)


def test_paused_output_waits_and_then_all_of_it_comes(check_process: Callable[..., None]) -> None:
    script = "import os; os.write(1, b'ready\\n'); os.read(3, 1); os.write(1, b'x' * 300000)"

    async def test(bench: Bench) -> None:
        with fifo() as (path, let_go):
            command = ("sh", "-c", 'exec 3<"$1"; shift; exec "$@"', "sh", path, *PYTHON, script)
            witness = Witness()
            running = bench.executor.start(bench.launch(*command), witness)
            await witness.line()
            running.pause_output()
            running.pause_output()
            let_go()
            # Another program comes and goes: the loop had its chance to read what it must not.
            await bench.run("true")
            assert witness.stdout == b""
            running.resume_output()
            assert (await witness.end()).exit_code == 0
            assert witness.stdout == b"x" * 300000

    check_process(test)


def test_what_is_left_in_a_paused_pipe_comes_before_the_end(
    check_process: Callable[..., None],
) -> None:
    async def test(bench: Bench) -> None:
        with fifo() as (path, let_go):
            script = f"echo ready; read line < {path}; printf 'last words'"
            witness = Witness()
            running = bench.executor.start(bench.launch("sh", "-c", script), witness)
            await witness.line()
            running.pause_output()
            let_go()
            assert (await witness.end()).exit_code == 0
            assert witness.stdout == b"last words"

    check_process(test)


@contextlib.contextmanager
def fifo() -> Any:
    """Make a named pipe that lets its reader go on when told to."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/fifo"
        os.mkfifo(path)
        end = os.open(path, os.O_RDWR)
        try:
            yield path, lambda: os.write(end, b"\n")
        finally:
            os.close(end)


def test_progress_result_and_retry_are_read_from_their_files(
    check_process: Callable[..., None],
) -> None:
    script = (
        'echo " 3/10 " > $JOBYARD_PROGRESS; echo "{\\"a\\": [1, null]}" > $JOBYARD_RESULT;'
        'printf "  after 30s\\n" > $JOBYARD_RETRY; exit 5'
    )

    async def test(bench: Bench) -> None:
        how, witness = await bench.run("sh", "-c", script)
        assert (how.exit_code, how.result, how.retry) == (5, {"a": [1, None]}, "after 30s")
        assert witness.progress_seen == [(3, 10)]
        assert witness.story == ["started", "progress", "ended"]

    check_process(test)


def test_progress_is_told_while_the_program_runs(check_process: Callable[..., None]) -> None:
    async def test(bench: Bench) -> None:
        witness = Witness()
        script = "echo 4 > $JOBYARD_PROGRESS; exec sleep 1000"
        running = bench.executor.start(bench.launch("sh", "-c", script), witness)
        await witness.until("progress")
        running.stop(0)
        await witness.end()
        assert witness.progress_seen == [(4, None)]

    check_process(test, tick=0.02)


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo nonsense > $JOBYARD_RESULT", b"jobyard: JOBYARD_RESULT is not JSON"),
        ("echo NaN > $JOBYARD_RESULT", b"jobyard: JOBYARD_RESULT is not JSON"),
        ("head -c 65537 /dev/zero > $JOBYARD_RESULT", b"jobyard: JOBYARD_RESULT is larger than"),
        ("mkfifo $JOBYARD_RESULT $JOBYARD_PROGRESS $JOBYARD_RETRY", b""),
        ("ln -s /dev/zero $JOBYARD_RESULT", b""),
        ("mkdir $JOBYARD_RESULT $JOBYARD_PROGRESS $JOBYARD_RETRY", b""),
        ("echo x/y > $JOBYARD_PROGRESS", b""),
    ],
)
def test_what_cannot_be_kept_is_said_on_stderr_and_harms_nobody(
    check_process: Callable[..., None], script: str, complaint: bytes
) -> None:
    async def test(bench: Bench) -> None:
        how, witness = await bench.run("sh", "-c", script)
        assert (how.exit_code, how.result, how.retry) == (0, None, None)
        assert witness.stderr.startswith(complaint)
        assert bool(witness.stderr) == bool(complaint)
        assert witness.progress_seen == []

    check_process(test)


def test_a_scratch_folder_is_private_and_its_volumes_are_there(
    check_process: Callable[..., None],
) -> None:
    script = "stat -c '%a %F' $JOBYARD_SCRATCH $JOBYARD_VOLUME_0 $JOBYARD_VOLUME_1"

    async def test(bench: Bench) -> None:
        _, witness = await bench.run("sh", "-c", script, scratch_volumes=("/a", "/b"))
        assert witness.stdout.decode().splitlines() == ["700 directory"] * 3

    check_process(test)


def test_nothing_is_left_of_scratch_folders(
    process: Callable[..., ProcessExecutor], tmp_path: Path
) -> None:
    async def main() -> None:
        async with opened(process()) as bench:
            await bench.run("nosuchcommand")
            await bench.run("sh", "-c", "mkdir -p $JOBYARD_SCRATCH/a/b; touch $JOBYARD_SCRATCH/a/c")
            await bench.run("true", scratch_volumes=("/a",))
        assert names(tmp_path / "scratch") == []

    asyncio.run(main())


def test_a_scratch_folder_is_empty_and_private_whatever_the_last_program_did(
    check_process: Callable[..., None],
) -> None:
    rude = (
        "touch $JOBYARD_SCRATCH/left",
        "chmod 777 $JOBYARD_SCRATCH",
        "rmdir $JOBYARD_SCRATCH",
        "rmdir $JOBYARD_SCRATCH; ln -s / $JOBYARD_SCRATCH",
        "true",
    )
    script = "stat -c %a%F $JOBYARD_SCRATCH; ls -A $JOBYARD_SCRATCH"

    async def test(bench: Bench) -> None:
        for deed in rude:
            await bench.run("sh", "-c", deed)
            _, witness = await bench.run("sh", "-c", script)
            assert witness.stdout == b"700directory\n"

    check_process(test)


def test_what_a_program_used_is_told(check_process: Callable[..., None]) -> None:
    # A program that is over at once is only told from this process by taking more than it has.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    taken = own + (100 << 20)
    script = f"x = bytearray({taken})\nfor _ in range(300000): pass"

    async def test(bench: Bench) -> None:
        how, _ = await bench.run(*PYTHON, script)
        assert how.usage.cpu_seconds > 0
        assert taken < how.usage.peak_memory_bytes < taken + (100 << 20)
        assert how.usage.wall_seconds > 0

    check_process(test)


def test_the_memory_of_the_worker_is_not_taken_for_the_programs(
    check_process: Callable[..., None],
) -> None:
    async def test(bench: Bench) -> None:
        ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        how, _ = await bench.run("true")
        assert how.usage.peak_memory_bytes < ours

    check_process(test)


def test_many_programs_leave_no_file_open_and_no_child(
    process: Callable[..., ProcessExecutor],
) -> None:
    async def main() -> None:
        files = len(names(OPEN_FILES))
        async with opened(process()) as bench:
            held = None
            for _ in range(5):
                witnesses = [start(bench, Acts("process").speak())[1] for _ in range(100)]
                for witness in witnesses:
                    assert (await witness.end()).exit_code == 0
                await bench.run("nosuchcommand")
                now = len(names(OPEN_FILES))
                assert held in (None, now)
                held = now
        assert len(names(OPEN_FILES)) == files

    before = own_children()
    asyncio.run(main())
    assert own_children() <= before


def test_capabilities_can_be_asked_before_and_after_opening(
    process: Callable[..., ProcessExecutor],
) -> None:
    async def main() -> None:
        executor = process(use_cgroups=False)
        before = executor.capabilities()
        async with opened(executor):
            assert executor.capabilities() == before
        assert (before.memory_limit, before.cpu_limit) == ("sampled", "none")

    asyncio.run(main())
