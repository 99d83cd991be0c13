"""The options that say how an extraction lays out its files."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., Any]

_OPTIONS = {
    "file_bytes": click.option(
        "--file-size", "file_bytes", metavar="SIZE", help="A file of this size is complete: 64Mi."
    ),
    "file_blocks": click.option(
        "--file-blocks", type=int, metavar="N", help="And so is one of so many blocks."
    ),
    "row_group_bytes": click.option(
        "--row-group-size", "row_group_bytes", metavar="SIZE",
        help="Memory that rows take before they are written.",
    ),
    "compression": click.option(
        "--compression", metavar="zstd[:LEVEL]|snappy|none", help="How files are compressed."
    ),
    "flush_after": click.option(
        "--flush-after", metavar="DURATION", help="How long blocks may wait to be published: 10s."
    ),
    "compact": click.option(
        "--compact/--no-compact", default=None, help="Whether small files are joined."
    ),
    "compact_files": click.option(
        "--compact-files", type=int, metavar="N", help="The least number of files joined: 8."
    ),
    "compact_after": click.option(
        "--compact-after", metavar="DURATION", help="The age of a file that may be joined: 15m."
    ),
    "compact_distance": click.option(
        "--compact-distance", type=int, metavar="N", help="How far below the head such a file ends."
    ),
}  # fmt: skip


def layout_options(command: Command) -> Command:
    """Let a command choose how files are laid out; it gets ``layout``, as JSON has it."""

    @wraps(command)
    def gathering(*args: Any, **options: Any) -> Any:
        given = {name: options.pop(name) for name in _OPTIONS}
        layout = {name: value for name, value in given.items() if value is not None}
        return command(*args, layout=layout, **options)

    for option in reversed(_OPTIONS.values()):
        gathering = option(gathering)
    return gathering
