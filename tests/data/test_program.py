"""What the program of an extraction takes for an error that another try may get over."""

from __future__ import annotations

import errno

import pytest

from jobyard.data.__main__ import MOST_TRIES, is_retryable
from jobyard.errors import BlockDisproved, ProviderUnavailable, WrongChain

FULL = OSError(errno.ENOSPC, "No space left on device")
DISPROVED = BlockDisproved(7, "receipts_root", "another one")


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ProviderUnavailable("away"), True),
        (WrongChain("node", expected="1", actual="2"), False),
        (OSError(errno.EIO, "Input/output error"), True),
        (OSError("AWS Error SLOW_DOWN during PutObject operation"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (OSError(errno.EROFS, "Read-only file system"), False),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), False),
        (OSError("AWS Error NO_SUCH_BUCKET during PutObject operation"), False),
        (OSError("AWS Error ACCESS_DENIED during PutObject operation"), False),
        (FULL, True),
        (DISPROVED, True),
    ],
)
def test_only_what_may_work_later_is_tried_again(error: OSError, again: bool) -> None:
    assert is_retryable(error, tries=1) is again


@pytest.mark.parametrize("error", [FULL, DISPROVED])
def test_a_full_disk_and_a_block_that_is_wrong_are_not_tried_for_ever(error: OSError) -> None:
    assert is_retryable(error, tries=MOST_TRIES - 1)
    assert not is_retryable(error, tries=MOST_TRIES)
