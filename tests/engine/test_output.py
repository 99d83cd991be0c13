"""What programs print is kept byte for byte, up to a limit that shows."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from tests.engine.yards import a_job, an_engine, an_indexed_job, log_of

from jobyard.core.states import JobStatus

if TYPE_CHECKING:
    from pathlib import Path


def python(*lines: str) -> tuple[str, ...]:
    return sys.executable, "-c", "\n".join(("import sys", "out = sys.stdout.buffer", *lines))


def test_a_line_of_ten_megabytes_and_every_byte_survive(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            every = "bytes(range(256)) * 40_960"
            [job] = await engine.submit(a_job("bytes", *python(f"out.write({every})")))
            await engine.end(job.id)
            [attempt] = await engine.attempts(job.id)
            assert await log_of(engine, attempt.id) == bytes(range(256)) * 40_960

    asyncio.run(main())


def test_the_last_line_is_kept_though_its_program_is_killed(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            program = python("import os", "os.write(1, b'last words')", "os.kill(os.getpid(), 9)")
            [job] = await engine.submit(a_job("last", *program, backoff_limit=0))
            job = await engine.end(job.id)
            [attempt] = await engine.attempts(job.id)
            assert (attempt.signal, attempt.exit_code) == (9, 137)
            assert await log_of(engine, attempt.id) == b"last words"

    asyncio.run(main())


def test_an_attempt_s_output_ends_at_its_limit_with_a_visible_mark(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path, attempt_log_limit=1000) as engine:
            program = python("out.write(b'x' * 600)", "out.flush()", "out.write(b'y' * 10_000)")
            [job] = await engine.submit(a_job("chatty", *program))
            job = await engine.end(job.id)
            assert job.state.status is JobStatus.COMPLETED
            [attempt] = await engine.attempts(job.id)
            kept = await log_of(engine, attempt.id)
            assert kept[:1000] == b"x" * 600 + b"y" * 400
            assert kept[1000:] == b"\n[jobyard: output beyond 1000 bytes is not kept]\n"

    asyncio.run(main())


def test_a_job_s_output_ends_at_about_its_limit(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path, job_log_limit=5000) as engine:
            program = python("out.write(b'z' * 4000)")
            spec = an_indexed_job("many", 20, *program, parallelism=1)
            [job] = await engine.submit(spec)
            await engine.end(job.id)
            kept = [await log_of(engine, a.id) for a in await engine.attempts(job.id)]
            assert kept[0] == b"z" * 4000
            assert b"is not kept" in kept[-1]
            assert sum(map(len, kept)) < 5000 + 4000 + 20 * 100

    asyncio.run(main())


def test_streams_are_told_apart(tmp_path: Path) -> None:
    async def main() -> None:
        async with an_engine(tmp_path) as engine:
            [job] = await engine.submit(a_job("both", "sh", "-c", "echo out; echo err >&2"))
            await engine.end(job.id)
            [attempt] = await engine.attempts(job.id)
            streams: dict[int, bytes] = {}
            for chunk in await engine.yard.logs.read(attempt.id):
                at = 0
                for stream, length, _ in chunk.runs:
                    streams[stream] = streams.get(stream, b"") + chunk.data[at : at + length]
                    at += length
            assert streams == {1: b"out\n", 2: b"err\n"}

    asyncio.run(main())
