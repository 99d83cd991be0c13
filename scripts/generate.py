"""Write the files that are made from the code: pages, schemas, a drawing, the blocking client.

With ``--check`` nothing is written; files that are not current are named, and the exit code is 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

import draw_statuses
import twins
import typed_shapes
import validation.page
from jobyard import config, errors
from jobyard.chain.evm_tables import EVM_TABLES
from jobyard.chain.solana_tables import TABLES as SOLANA_TABLES
from jobyard.chain.solana_verify import ABOUT as SOLANA_CHECKS
from jobyard.chain.solana_verify import UNPROVED
from jobyard.chain.tables import type_text
from jobyard.chain.verify_evm import ABOUT as CHECKS
from jobyard.cli import COMMANDS, jobyard
from jobyard.spec.schema import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.store.base import LogStore, Store

ROOT = Path(__file__).parent.parent
REFERENCE = Path("docs/reference")
NOTE = "<!-- made by scripts/generate.py -->\n"

_SETTINGS_PROSE = """\
A flag wins over the environment, which wins over the settings file, which wins over the default.
`jobyard doctor` shows each setting and where it comes from.

The settings file is the one that `JOBYARD_CONFIG` names, else `settings.toml` in the state folder,
if it is there. It is TOML, one line for each setting:

```toml
slots = 4
lease = "30s"
attempt_log_limit = "16Mi"
```

A name that is no setting is an error. The file must belong to you or to root, and nobody else may
write it; with a password in `database`, nobody else may read it. Relative paths in it start from
its folder. `state_dir` may stand only in a file that `JOBYARD_CONFIG` names.

Times are seconds, or text with a unit (`500ms`, `15s`, `2m`, `1h30m`). Sizes are bytes, or text
with a unit (`64Mi`, `1G`).
"""


def generated() -> dict[Path, str]:
    """Make every file, by its path below the repository's root."""
    files = {
        REFERENCE / "cli.md": cli_page(),
        REFERENCE / "settings.md": settings_page(),
        REFERENCE / "errors.md": errors_page(),
        REFERENCE / "tables.md": tables_page(),
        REFERENCE / "validation.md": validation.page.page(),
        REFERENCE / "openapi.json": _json(openapi()),
    }
    for name, schema in schemas().items():
        files[REFERENCE / f"{name}.schema.json"] = _json(schema)
    files |= twins.twins()
    files[typed_shapes.FILE] = twins.formatted(typed_shapes.text(), typed_shapes.FILE)
    statuses = draw_statuses.PAGE
    files[statuses.relative_to(ROOT)] = draw_statuses.page(statuses.read_text(encoding="utf-8"))
    return files


def cli_page() -> str:
    """Write the help of every command."""
    context = click.Context(jobyard, info_name="jobyard")
    lines = ["# Commands", "", NOTE]
    lines += ["Data goes to stdout, talk to stderr. Exit codes:", "", "| code | meaning |"]
    lines.append("| --- | --- |")
    codes = {name: code for name, code in vars(errors.ExitCode).items() if name.isupper()}
    lines += [f"| {code} | {name.lower().replace('_', ' ')} |" for name, code in codes.items()]
    for name in COMMANDS:
        command = jobyard.get_command(context, name)
        if command is not None:
            lines += _sections(command, click.Context(command, info_name=name, parent=context))
    return "\n".join(lines) + "\n"


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    yield from ("", f"{'#' * (1 + context.command_path.count(' '))} {context.command_path}", "")
    yield from (_prose(command), "", "```", _usage(command, context), "```")
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _sections(below, click.Context(below, info_name=name, parent=context))


def _usage(command: click.Command, context: click.Context) -> str:
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def _prose(command: click.Command) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts
        if (record := parameter.get_help_record(context)) is not None
    ]
    if rows:
        yield from ("", "| option | meaning |", "| --- | --- |")
    for names, meaning in rows:
        yield f"| `{_cell(names)}` | {_cell(meaning)} |"


def settings_page() -> str:
    """Write how settings are found, and the table of them."""
    lines = ["# Settings", "", NOTE, _SETTINGS_PROSE]
    lines += ["| variable | in the file | default | meaning |", "| --- | --- | --- | --- |"]
    for setting in config.SETTINGS:
        default = "" if setting.default in (None, ()) else f"`{setting.default}`"
        name = f"`{setting.name}`" if setting.in_file else ""
        lines.append(f"| `{setting.variable}` | {name} | {default} | {_cell(setting.meaning)} |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Write every error with its codes."""
    lines = ["# Errors", "", NOTE, "Over HTTP an error is `application/problem+json` whose `type`"]
    lines += ["ends in the slug; the command line ends with the exit code.", ""]
    lines += ["| error | `error_code` | HTTP | exit | meaning |", "| --- | --- | --- | --- | --- |"]
    for kind in errors.family():
        about = (kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        lines.append(
            f'| <a id="{kind.slug}"></a>{kind.slug} | `{kind.code}` | {kind.status} '
            f"| {kind.exit_code} | {_cell(about)} |"
        )
    return "\n".join(lines) + "\n"


def tables_page() -> str:
    """Write the columns of every table that an extraction can fill."""
    lines = ["# Tables", "", NOTE, "Types are Arrow's. A column marked `?` may be null: what a"]
    lines += ["source does not have is null. Rows stand in the order of blocks.", ""]
    for kind, tables in {"evm-rpc": EVM_TABLES, "solana": SOLANA_TABLES}.items():
        for table in tables.values():
            lines += [f"## {kind}.{table.name}", "", table.about, ""]
            lines += ["| column | type | holds |", "| --- | --- | --- |"]
            lines += [
                f"| `{column.name}` | `{type_text(column.kind)}`{' ?' if column.nullable else ''} "
                f"| {_cell(column.about)} |"
                for column in table.columns
            ]
            lines.append("")
    lines += ["## Checks of EVM tables", "", "| check | proves |", "| --- | --- |"]
    lines += [f"| `{check}` | {_cell(about)} |" for check, about in CHECKS.items()]
    lines += ["", "## Checks of Solana tables", "", "| check | proves |", "| --- | --- |"]
    lines += [f"| `{check}` | {_cell(about)} |" for check, about in SOLANA_CHECKS.items()]
    lines += ["", "What `getBlock` gives proves nothing of these; a report says so:", ""]
    lines += [f"- `{check}`: {_cell(reason)}." for check, reason in UNPROVED.items()]
    return "\n".join(lines) + "\n"


def openapi() -> dict[str, Any]:
    """Describe the HTTP API; a description needs no store."""
    from jobyard.api.app import make_app

    return make_app(cast("Store", None), cast("LogStore", None)).openapi()


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write what is not current, or only tell of it."""
    stale = [
        path
        for path, text in generated().items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path} is not current: run `make generate`", file=sys.stderr)
        sys.exit(1 if stale else 0)
    for path, text in generated().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    print(f"written: {', '.join(map(str, stale)) or 'nothing, all is current'}")


if __name__ == "__main__":
    main()
