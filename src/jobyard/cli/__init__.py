"""The command line: one module per noun, each imported only when its command is called."""

from __future__ import annotations

import errno
import os
import sys

import click

from jobyard import __version__
from jobyard.cli.groups import Entry, LazyGroup
from jobyard.cli.printer import say, show_error
from jobyard.errors import ExitCode, JobyardError

COMMANDS: dict[str, Entry] = {
    "run": Entry("jobyard.cli.run", "run", "Run the jobs of a file to their end, here and now."),
    "extract": Entry(
        "jobyard.cli.extract", "extract", "Extract a chain's blocks to Parquet files."
    ),
    "verify": Entry("jobyard.cli.verify", "verify", "Prove tables from their Parquet files alone."),
    "query": Entry("jobyard.cli.query", "query", "Answer an SQL query over extracted tables."),
    "submit": Entry("jobyard.cli.submit", "submit", "Submit a command as a job, without a file."),
    "create": Entry("jobyard.cli.files", "create", "Submit the jobs of files, always new ones."),
    "apply": Entry("jobyard.cli.files", "apply", "Make jobs be what files say."),
    "job": Entry("jobyard.cli.job", "job", "List, inspect, stop, retry, prune jobs; read logs."),
    "worker": Entry("jobyard.cli.worker", "worker", "Run a worker; list and drain workers."),
    "dataset": Entry("jobyard.cli.dataset", "dataset", "Register and deploy datasets of chains."),
    "manifest": Entry("jobyard.cli.manifest", "manifest", "Write and keep manifests of datasets."),
    "provider": Entry(
        "jobyard.cli.provider", "provider", "Keep the nodes that chains are read from."
    ),
    "table": Entry("jobyard.cli.table", "table", "Keep, restore and clean up tables."),
    "solo": Entry("jobyard.cli.services", "solo", "Run server, controller and worker in one."),
    "server": Entry("jobyard.cli.services", "server", "Run the HTTP server."),
    "controller": Entry("jobyard.cli.services", "controller", "Run a controller."),
    "validate": Entry("jobyard.cli.documents", "validate", "Check files without running them."),
    "schema": Entry("jobyard.cli.documents", "schema", "Print the JSON Schema of a document."),
    "migrate": Entry("jobyard.cli.upkeep", "migrate", "Bring the database's schema up to date."),
    "doctor": Entry("jobyard.cli.upkeep", "doctor", "Tell what works here, and every setting."),
    "completion": Entry("jobyard.cli.completion", "completion", "Print a shell's completion."),
}


UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a full disk, a limit or a broken device says where output goes to a file."""
ALIASES = {
    "jobs": "job", "workers": "worker", "datasets": "dataset", "manifests": "manifest",
    "providers": "provider", "tables": "table",
}  # fmt: skip


EXTRAS = {
    "aiohttp": "data", "Crypto": "data", "cryptography": "data", "datafusion": "data",
    "msgspec": "data", "numpy": "data", "pyarrow": "data", "sqlglot": "data", "asyncpg": "postgres",
}  # fmt: skip
"""Libraries that only some commands need, by the name they are imported by, and their extra."""


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    aliases=ALIASES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="jobyard")
def jobyard() -> None:
    """Run finite work to completion, exactly as often as asked, and tell the truth about it."""


def main() -> None:
    """Run the command line and end the process with the exit code that fits."""
    try:
        code = jobyard.main(prog_name="jobyard", standalone_mode=False)
        # What cannot be written is told here, not by the interpreter on its way out.
        sys.stdout.flush()
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
        _discard_output()
        code = ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - the last one to catch it
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            say(f"error: this needs {error.name}, which is not installed")
            say(f"hint: pip install 'jobyard[{EXTRAS[error.name]}]'")
            code = ExitCode.CONFIGURATION
        elif isinstance(error, OSError) and error.errno in UNWRITABLE:
            say(f"error: cannot write: {error.strerror}")
            _discard_output()
            code = ExitCode.FAILED
        else:
            # Its trace is what a report of the bug needs.
            sys.excepthook(*sys.exc_info())
            say("error: this is a bug in Jobyard")
            code = ExitCode.BUG
    sys.exit(code if isinstance(code, int) else ExitCode.DONE)


def _discard_output() -> None:
    """Have what is not written yet go nowhere: the interpreter would stumble over it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
