"""The commands of providers: register, list, read, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobyard.cli.dataset import asked
from jobyard.cli.groups import LazyGroup
from jobyard.cli.options import as_json, server_options
from jobyard.cli.printer import say, show_json
from jobyard.cli.shown import page, plain_table, show_object
from jobyard.cli.sources import name_of, read_source

if TYPE_CHECKING:
    from jobyard.config import Settings

ALIASES = {"ls": "list", "get": "inspect", "remove": "rm"}

_name = click.argument("name", metavar="NAME")


@click.group(cls=LazyGroup, aliases=ALIASES)
def provider() -> None:
    """Keep the nodes that chains are read from."""


@provider.command()
@_name
@click.argument("file", metavar="FILE|-")
@as_json
@server_options
def register(settings: Settings, name: str, file: str, as_json: bool) -> None:
    """Keep a provider of a YAML, TOML or JSON file, in place of an older one of its name.

    `${VAR}` stays as it is until a worker reads from the provider, and stands for a variable of
    the worker's environment. No secret is ever shown again.
    """
    from jobyard.spec.providers import read_provider

    content = read_source(file, settings.document_limit)
    toml = file.endswith(".toml")
    config = read_provider(content, name, toml=toml, source=name_of(file)).config
    found = asked(settings, lambda desk: desk.register_provider(name, config))
    show_object(found, page, as_json=as_json)


@provider.command("list")
@as_json
@server_options
def list_providers(settings: Settings, as_json: bool) -> None:
    """List providers by name, without their secrets (alias: ls)."""
    found = asked(settings, lambda desk: desk.providers())
    if as_json:
        show_json(found)
        return
    rows = [
        (one["name"], one.get("kind"), one.get("network"), one.get("url") or one.get("path"))
        for one in found["providers"]
    ]
    click.echo(plain_table(("NAME", "KIND", "NETWORK", "ADDRESS"), rows))


@provider.command()
@_name
@as_json
@server_options
def inspect(settings: Settings, name: str, as_json: bool) -> None:
    """Show a provider without its secrets (alias: get)."""
    show_object(asked(settings, lambda desk: desk.provider(name)), page, as_json=as_json)


@provider.command()
@_name
@as_json
@server_options
def rm(settings: Settings, name: str, as_json: bool) -> None:
    """Delete a provider (alias: remove)."""
    asked(settings, lambda desk: desk.delete_provider(name))
    if as_json:
        show_json({"name": name})
    else:
        say(f"provider {name} removed")
