"""The programs of data jobs: ``python -m jobyard.data extract``, run by a worker."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard import config, log
from jobyard.channel import Channel, ChannelError
from jobyard.data.extractor import Extractor
from jobyard.data.link import Link
from jobyard.errors import BlockDisproved, ChainFailed, JobyardError
from jobyard.loop import run_async
from jobyard.wire.extract import FATAL_EXIT, RETRY_EXIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.data.derive import Deriver
    from jobyard.wire.extract import Orders

USAGE = 2
RETRY_FILE = "JOBYARD_RETRY"
MOST_TRIES = 6
"""Attempts of an index after which a block that contradicts its hashes is taken for the chain's,
and a full disk for one that stays full."""
FULL = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
    errno.ENAMETOOLONG, errno.EFBIG, errno.ELOOP, errno.EINVAL,
)  # fmt: skip
"""What an operating system says of a folder that will not be written later, either."""
REFUSED = (
    "NO_SUCH_BUCKET", "ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH",
)  # fmt: skip
"""The same of an object store, as pyarrow writes it."""


async def extract() -> int:
    """Extract what the worker orders; return the exit code."""
    link = Link(Channel.from_environment())
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        orders = await link.orders()
        stores = orders["variables"].items()
        config.export({name: value for name, value in stores if name.startswith("AWS_")})
        done = await _program(orders, link, stopping).run()
        await link.result(done)
    except ChannelError as error:
        log.error("the worker does not take what was extracted", cause=str(error))
        return RETRY_EXIT
    except (JobyardError, OSError) as error:
        return await _failed(link, error)
    if stopping.is_set():
        log.info("stopped; what was complete is published")
        return RETRY_EXIT
    return 0


def _program(orders: Orders, link: Link, stopping: asyncio.Event) -> Extractor | Deriver:
    """Choose what to do: read a chain, or make tables of others."""
    if orders["derived"] is None:
        return Extractor(orders, link, stopping)
    from jobyard.data.derive import Deriver

    return Deriver(orders, link, stopping)


async def _failed(link: Link, error: JobyardError | OSError) -> int:
    retryable = is_retryable(error, int(config.environment().get("JOBYARD_ATTEMPT", "1")))
    code = error.code if isinstance(error, JobyardError) else "WRITE_FAILED"
    said: dict[str, Any] = {"error_code": code, "error_message": str(error)}
    if isinstance(error, JobyardError):
        said["error_context"] = {
            name: value for name, value in error.fields.items() if isinstance(value, int | str)
        }
        if error.hint:
            said["hint"] = error.hint
    log.error(f"{code}: {error}", retryable=retryable)
    try:
        await link.fail(said)
    except ChannelError as lost:
        log.warning("the worker was not told", cause=str(lost))
    if retryable:
        return RETRY_EXIT
    _refuse_retry(f"{code}: {error}")
    return FATAL_EXIT


def is_retryable(error: JobyardError | OSError, tries: int) -> bool:
    """Tell whether an error may be gone at the next try; ``tries`` were made of this index."""
    full = isinstance(error, OSError) and error.errno in FULL
    if full or isinstance(error, BlockDisproved):
        # There may be room later, another provider may be right; but not for ever.
        return tries < MOST_TRIES
    if isinstance(error, OSError):
        return error.errno not in UNWRITABLE and not any(word in str(error) for word in REFUSED)
    return isinstance(error, ChainFailed) and error.retryable


def _refuse_retry(why: str) -> None:
    file = config.environment().get(RETRY_FILE)
    if file:
        # What does not fit is cut off by whoever reads it.
        Path(file).write_text(f"no: {why}", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Run a program by its name."""
    if list(arguments) != ["extract"]:
        sys.stderr.write("usage: python -m jobyard.data extract\n")
        return USAGE
    log.configure("info")
    return run_async(extract())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
