"""Completion for shells: the script that a shell reads, and the words that are looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard.errors import JobyardError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from click.shell_completion import CompletionItem

    from jobyard.cli.desk import Desk

    Object = Mapping[str, Any]

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_JOBYARD_COMPLETE"
"""What the scripts set when they ask the program; click's name for a program called jobyard."""
MOST = 100
"""Ids that are offered: more than anybody reads."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes commands, options, ids and statuses in SHELL.

    For bash: `eval "$(jobyard completion bash)"` in ~/.bashrc; for zsh the same with zsh in
    ~/.zshrc; for fish: `jobyard completion fish > ~/.config/fish/completions/jobyard.fish`.
    """
    from click.shell_completion import get_completion_class

    from jobyard.cli import jobyard

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"nothing is known of {shell}")
    made = kind(jobyard, {}, "jobyard", VARIABLE)
    # The script alone: asking bash for its version is for those who run it.
    click.echo(made.source_template % made.source_vars())


def statuses(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the last word of a list of statuses."""
    from click.shell_completion import CompletionItem

    from jobyard.wire.words import WORDS

    del ctx, param
    before, comma, word = incomplete.rpartition(",")
    return [CompletionItem(before + comma + legal) for legal in WORDS if legal.startswith(word)]


def job_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a job: the newest ones, whatever became of them."""
    del param
    found = _asked(ctx, lambda desk: desk.jobs_page(status="all", limit=MOST))
    return _items(
        {str(job["id"]): f"{job['name']} {job['status']}" for job in found.get("jobs", ())},
        incomplete,
    )


def worker_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a worker."""
    del param
    found = _asked(ctx, lambda desk: desk.workers())
    return _items({worker["id"]: worker["host"] for worker in found.get("workers", ())}, incomplete)


def _items(words: dict[str, str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(word, help=about)
        for word, about in words.items()
        if word.startswith(incomplete)
    ]


def _asked(ctx: click.Context, question: Callable[[Desk], Awaitable[Object]]) -> Object:
    """Ask whom the command would ask; whoever cannot answer completes nothing."""
    from jobyard import config
    from jobyard.cli.desk import ask

    names = {setting.name for setting in config.SETTINGS}
    flags = {name: value for name, value in ctx.params.items() if name in names}
    try:
        return ask(config.load(flags), question)
    except (JobyardError, OSError):
        return {}
