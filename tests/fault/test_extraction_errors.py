"""What no other try would change fails a job at once, with code, blocks and cause."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from tests.fault.extracting import MINTED
from tests.fault.yards import Extractions, extractions, wanted

from jobyard.testing.replay import ReplayServer
from jobyard.testing.replay_chain import ReplayChain
from jobyard.testing.replay_faults import Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

LAST = 59
BROKEN_BLOCK = 7


@dataclass(frozen=True, slots=True)
class Case:
    """A node, how it is asked, and what the job says in the end."""

    faults: Faults = Faults()  # noqa: RUF009 - it is frozen
    provider: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    breaks: bool = False
    """Whether one block is no JSON."""
    code: str = ""
    blocks: tuple[int, int] | None = None
    words: str = ""


FATAL = {
    "another chain": Case(
        Faults(chain_id=5), {"chain_id": 1}, code="WRONG_CHAIN", blocks=(0, LAST),
        words="serves chain 5, not 1",
    ),
    "a block that is none": Case(
        breaks=True, code="BLOCK_UNPARSABLE", blocks=(BROKEN_BLOCK, BROKEN_BLOCK),
        words="gives no block: not a block",
    ),
    "pruned history": Case(
        Faults(pruned_below=20), code="BLOCKS_UNAVAILABLE", blocks=(0, 0),
        words="pruned history unavailable",
    ),
    "refused": Case(
        Faults(token="right"), {"auth_token": "wrong"}, code="PROVIDER_REFUSED", blocks=(0, LAST),
        words="HTTP 401",
    ),
    "no JSON-RPC": Case(
        Faults(garbage=1.0), code="NOT_JSON_RPC", blocks=(0, LAST), words="not JSON-RPC"
    ),
    "no node": Case(
        provider={"url": "404"}, code="NOT_JSON_RPC", blocks=(0, LAST), words="HTTP 404"
    ),
    "no node, asked for its head": Case(
        provider={"url": "404"}, asked={"end": "latest"}, code="NOT_JSON_RPC", words="HTTP 404"
    ),
    "a variable that is not set": Case(
        provider={"auth_token": "${NOT_SET_ANYWHERE}"}, code="INVALID_PROVIDER",
        words="NOT_SET_ANYWHERE",
    ),
}  # fmt: skip
FINE = {
    "no receipts of blocks": Case(Faults(no_block_receipts=True), asked={"end": "11"}),
    "only what is final": Case(
        Faults(finality=9), asked={"end": "latest", "finalized_only": True}, blocks=(0, LAST - 9)
    ),
}
CASES = {**FATAL, **FINE}


@asynccontextmanager
async def not_found() -> AsyncIterator[str]:
    """Serve nothing, politely."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@dataclass(slots=True)
class Ended:
    """How a case ended."""

    status: str
    message: str
    attempts: int
    progress: Mapping[str, Any]
    rows: int


async def run(yard: Extractions, stack: AsyncExitStack, name: str, case: Case) -> Ended:
    chain = ReplayChain.read(MINTED, length=LAST + 1)
    if case.breaks:
        recorded = chain.recorded(BROKEN_BLOCK)
        assert recorded is not None
        recorded.full.text = recorded.full.text[:-40]
        recorded.full._pieces[-1] = recorded.full._pieces[-1][:-40]
    server = await stack.enter_async_context(ReplayServer(chain, case.faults))
    config = {"url": server.url, **case.provider}
    if config["url"] == "404":
        config["url"] = await stack.enter_async_context(not_found())
    word = name.replace(" ", "_").replace(",", "").replace("-", "_").lower()
    await yard.provide(name=word, **config)
    options = {"end": str(LAST), **case.asked}
    job_id = await yard.deploy(wanted(name=word, providers=(word,), **options))
    job = await yard.end(job_id)
    attempts = await yard.store.attempts(job_id)
    rows = yard.rows("logs", word).num_rows if job.state.status == "COMPLETED" else 0
    told = await yard.progress(job_id)
    return Ended(job.state.status, job.state.message or "", len(attempts), told, rows)


@cache
def ended() -> dict[str, Ended]:
    """Run all cases at the same time, on one engine."""

    async def all_of_them(folder: Path) -> list[Ended]:
        async with AsyncExitStack() as stack:
            yard = await stack.enter_async_context(extractions(folder))
            works = [run(yard, stack, name, case) for name, case in CASES.items()]
            return await asyncio.gather(*works)

    with TemporaryDirectory() as folder:
        found = asyncio.run(all_of_them(Path(folder)))
    return dict(zip(CASES, found, strict=True))


@pytest.mark.parametrize("name", FATAL)
def test_what_no_other_try_would_change_fails_the_job_with_code_blocks_and_cause(
    name: str,
) -> None:
    case, found = FATAL[name], ended()[name]

    detail = found.progress["detail"]
    assert (found.status, detail["error_code"], found.attempts) == ("FAILED", case.code, 1)
    assert case.code in found.message
    assert case.words in found.message
    assert case.words in detail["error_message"]
    if case.blocks is not None:
        context = detail["error_context"]
        assert (context["block_range_start"], context["block_range_end"]) == case.blocks


def test_a_node_without_receipts_of_blocks_is_asked_for_each() -> None:
    found = ended()["no receipts of blocks"]

    assert (found.status, found.rows > 0, found.attempts) == ("COMPLETED", True, 1)


def test_only_final_blocks_are_extracted_where_no_others_are_wanted() -> None:
    found = ended()["only what is final"]

    ends = {one["current_block"] for one in found.progress["tables"].values()}
    assert (found.status, ends, found.progress["end_block"]) == ("COMPLETED", {50}, 50)
