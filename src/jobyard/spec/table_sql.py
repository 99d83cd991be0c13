"""What derived tables are made of: which tables their SQL names, and in which order they come.

Nothing is planned here: only the names behind FROM and JOIN are read, so that a manifest that
cannot work is refused when it is registered and not when it is run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jobyard.core.derived import SELF
from jobyard.errors import InvalidPayloadFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobyard.spec.report import Place

_SKIPPED = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_WORD = r'(?:"[^"]+"|[A-Za-z_][\w$]*)'
_NAMED = re.compile(
    rf"(?<!distinct )\b(?:from|join)\s+({_WORD})(?:\s*\.\s*({_WORD}))?(?:\s*\.\s*({_WORD}))?",
    re.IGNORECASE,
)
_LISTED = re.compile(rf"\s*(?:(?:as\s+)?{_WORD}\s*)?,\s*({_WORD})\s*\.\s*({_WORD})", re.IGNORECASE)
_BEGINNING = re.compile(r"\s*(?:select|with)\b", re.IGNORECASE)


def named_tables(sql: str) -> Iterator[tuple[str | None, str]]:
    """Name the tables behind FROM and JOIN as (dataset, table); the dataset may be left out."""
    plain = _SKIPPED.sub(" ", sql)
    for found in _NAMED.finditer(plain):
        first, second, third = (part and part.strip('"') for part in found.groups())
        if third is not None:
            yield f"{first}.{second}", third
        elif second is not None:
            yield first, second
        else:
            yield None, first or ""
        end = found.end()
        while listed := _LISTED.match(plain, end):
            yield listed[1].strip('"'), listed[2].strip('"')
            end = listed.end()


def queries_of(value: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Take the SQL of tables, the dependencies and the functions out of a manifest.

    Raises:
        InvalidPayloadFormat: it is no manifest of tables made by SQL.
    """
    given = value if isinstance(value, dict) else {}
    tables = given.get("tables") or {}
    if not isinstance(tables, dict):
        raise InvalidPayloadFormat("`tables` is a mapping", hint="names, and what each is made of")
    queries = {}
    for name, table in tables.items():
        made = table.get("input") if isinstance(table, dict) else None
        sql = made.get("sql") if isinstance(made, dict) else None
        if not isinstance(sql, str):
            hint = "only tables of datasets of kind `manifest` are made by SQL"
            raise InvalidPayloadFormat(f"the table `{name}` has no `input.sql`", hint=hint)
        queries[name] = sql
    return queries, given.get("dependencies") or {}, given.get("functions") or {}


def check_derived(manifest: Mapping[str, Any], place: Place) -> None:
    """Report SQL that is none, tables that it cannot have, and tables that build on themselves."""
    tables = manifest["tables"]
    aliases = manifest.get("dependencies") or {}
    if SELF in aliases:
        message = f"`{SELF}` is what SQL calls this dataset"
        place.at("dependencies", SELF).problem(message, code="Forbidden", value=aliases[SELF])
    if not tables and not manifest.get("functions"):
        (place / "tables").problem("empty, and so are functions", code="Required")
    waits = {name: _check_sql(name, tables, aliases, place) for name in tables}
    for name in circular(waits):
        here = place.at("tables", name, "input", "sql")
        awaited = ", ".join(sorted(waits[name]))
        here.problem("builds on itself in a circle", code="Cyclic", value=f"{name} on {awaited}")


def _check_sql(
    name: str, tables: Mapping[str, Any], aliases: Mapping[str, str], place: Place
) -> set[str]:
    """Check what one table is made of; tell which tables of its own dataset it builds on."""
    here = place.at("tables", name, "input", "sql")
    sql = tables[name]["input"]["sql"]
    if not _BEGINNING.match(_SKIPPED.sub(" ", sql)):
        here.problem("not a SELECT", value=sql, legal="SELECT … FROM …")
    qualified = [(space, word) for space, word in named_tables(sql) if space is not None]
    if not qualified:
        legal = f"FROM alias.table or {SELF}.table"
        here.problem("names no table of a dataset", value=sql, legal=legal)
    own = {word for space, word in qualified if space == SELF}
    for word in sorted(own - set(tables)):
        legal = ", ".join(tables)
        here.problem("this dataset has no such table", value=f"{SELF}.{word}", legal=legal)
    for space in sorted({space for space, _ in qualified} - {SELF} - set(aliases)):
        legal = ", ".join((*aliases, SELF))
        here.problem("not one of the dependencies", value=space, legal=legal)
    return own & set(tables)


def circular(waits: Mapping[str, set[str]]) -> list[str]:
    """Name what waits for itself, directly or through others."""
    left = {name: set(others) for name, others in waits.items()}
    while True:
        free = [name for name, others in left.items() if not others & left.keys()]
        if not free:
            break
        for name in free:
            del left[name]
    awaited = {other for others in left.values() for other in others}
    # What only waits for a circle is not part of it.
    while loose := [name for name in left if name not in awaited]:
        for name in loose:
            del left[name]
        awaited = {other for others in left.values() for other in others}
    return list(left)
