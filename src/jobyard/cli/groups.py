"""Groups of commands that import a command only when it is called, and know its other names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """Where a command lives, and its line in the list of commands."""

    module: str
    attribute: str
    help: str


class LazyGroup(click.Group):
    """A group that knows some of its commands by name alone."""

    def __init__(
        self,
        *args: Any,
        entries: Mapping[str, Entry] | None = None,
        aliases: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """Know commands by ``entries``; ``aliases`` are other names, which are not listed."""
        super().__init__(*args, **options)
        self._entries = entries or {}
        self._aliases = aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which they were written down."""
        del ctx
        return [*self.commands, *self._entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by any of its names, and import it."""
        name = self._aliases.get(cmd_name, cmd_name)
        entry = self._entries.get(name)
        if entry is None:
            return super().get_command(ctx, name)
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._help(name)) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command without importing any."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        found = [CompletionItem(name, help=self._help(name)) for name in names]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def _help(self, name: str) -> str:
        entry = self._entries.get(name)
        return self.commands[name].get_short_help_str(100) if entry is None else entry.help
