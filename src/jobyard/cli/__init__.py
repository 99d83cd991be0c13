"""The command line: one module per noun, each imported only when its command is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple

import click

from jobyard import __version__
from jobyard.cli.printer import say, show_error
from jobyard.errors import ExitCode, JobyardError


class Entry(NamedTuple):
    """Where a command lives, and its line in the list of commands."""

    module: str
    attribute: str
    help: str


COMMANDS: dict[str, Entry] = {
    "run": Entry("jobyard.cli.run", "run", "Run the jobs of a file to their end, here and now."),
    "submit": Entry("jobyard.cli.submit", "submit", "Submit a command as a job, without a file."),
    "job": Entry("jobyard.cli.job", "job", "List, inspect, stop jobs; read their logs."),
    "worker": Entry("jobyard.cli.worker", "worker", "Run a worker; list and drain workers."),
    "solo": Entry("jobyard.cli.services", "solo", "Run server, controller and worker in one."),
    "server": Entry("jobyard.cli.services", "server", "Run the HTTP server."),
    "controller": Entry("jobyard.cli.services", "controller", "Run a controller."),
    "validate": Entry("jobyard.cli.documents", "validate", "Check files without running them."),
    "schema": Entry("jobyard.cli.documents", "schema", "Print the JSON Schema of a document."),
    "migrate": Entry("jobyard.cli.upkeep", "migrate", "Bring the database's schema up to date."),
    "doctor": Entry("jobyard.cli.upkeep", "doctor", "Tell what works here, and every setting."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jobyard")
def jobyard() -> None:
    """Run finite work to completion, exactly as often as asked, and tell the truth about it."""


def main() -> None:
    """Run the command line and end the process with the exit code that fits."""
    try:
        code = jobyard.main(standalone_mode=False)
    except click.exceptions.Exit as ended:
        code = ended.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    except JobyardError as error:
        show_error(error)
        code = error.exit_code
    except BrokenPipeError:
        # The reader has seen enough; there is nobody left to tell.
        sys.stderr.close()
        code = ExitCode.FAILED
    except Exception:  # noqa: BLE001 - the last one to catch it
        # Its trace is what a report of the bug needs.
        sys.excepthook(*sys.exc_info())
        say("error: this is a bug in Jobyard")
        code = ExitCode.BUG
    sys.exit(code if isinstance(code, int) else ExitCode.DONE)
