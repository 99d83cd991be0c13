"""Planning derived tables where requests are taken: their columns, and what is wrong with them.

It needs the extra `data`; a server without it keeps manifests that only the job finds wrong.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jobyard.api.desks.ancestors import ancestors_of
from jobyard.core.derived import SELF
from jobyard.errors import (
    EmptyTablesAndFunctions,
    InvalidPayloadFormat,
    InvalidTableName,
    Problem,
    Unusable,
)
from jobyard.spec import naming
from jobyard.spec.derived import networks_of
from jobyard.spec.references import is_pinned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.core.derived import Ancestor
    from jobyard.store.datasets import Datasets

    Object = dict[str, Any]

_PARTS = ("dependencies", "tables", "functions")


async def columns(store: Datasets, body: Mapping[str, Any]) -> Object:
    """Tell the columns of tables by their SQL: ``schemas``, by table.

    Raises:
        InvalidPayloadFormat: the body is not what it must be.
        TableRefused: a table cannot be made by its SQL.
        DependencyNotFound: a dependency is not registered.
        Unusable: there are functions, or this server has not what it takes.
    """
    tables, dependencies = _checked(body)
    ancestors = await ancestors_of(store, dependencies.items())
    try:
        from jobyard.data.arrow_json import schema_json
        from jobyard.data.plan import known_schemas, plan
    except ModuleNotFoundError as error:
        raise Unusable(
            "this server cannot plan SQL", hint="pip install 'jobyard[data]' on the server"
        ) from error

    def planned() -> Object:
        found = plan(tables, known_schemas(ancestors)).sound()
        schemas = {table.name: schema_json(table.schema) for table in found}
        return {name: schemas[name] for name in tables}

    return {"schemas": await asyncio.to_thread(planned)}


def _checked(body: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Take the SQL of tables, and the dependencies, out of a body."""
    for part in body:
        if part not in _PARTS:
            raise _payload(f"there is no `{part}`", f"it has {', '.join(_PARTS)}")
    parts = [{} if body.get(part) is None else body[part] for part in _PARTS]
    for part, value in zip(_PARTS, parts, strict=True):
        if not isinstance(value, dict):
            raise _payload(f"`{part}` is a mapping", "names, and what each means")
    dependencies, tables, functions = parts
    _check_dependencies(dependencies)
    if not tables and not functions:
        hint = "`tables` are names and the SQL of each"
        raise EmptyTablesAndFunctions("there is neither a table nor a function", hint=hint)
    if functions:
        raise Unusable("functions cannot be run here", hint="say the same in SQL")
    for name, sql in tables.items():
        if not naming.is_table(name):
            hint = naming.TABLE_RULE
            raise InvalidTableName(f"`{name}` is not the name of a table", hint=hint, value=name)
        if not isinstance(sql, str):
            raise _payload(f"the SQL of `{name}` is missing", "text, such as SELECT … FROM …")
    return tables, dependencies


def _check_dependencies(dependencies: Mapping[str, Any]) -> None:
    for alias, text in dependencies.items():
        if not naming.is_table(alias) or alias == SELF:
            raise _payload(f"`{alias}` cannot be the name of a dependency", naming.TABLE_RULE)
        if not isinstance(text, str) or not is_pinned(text):
            legal = "namespace/name@1.2.0, or a hash; `latest` and `dev` may mean others tomorrow"
            raise _payload(f"the dependency `{alias}` is {text}", legal)


def _payload(detail: str, hint: str) -> InvalidPayloadFormat:
    return InvalidPayloadFormat(detail, hint=hint)


async def problems_of(value: Mapping[str, Any], ancestors: Sequence[Ancestor]) -> list[Problem]:
    """Find what is wrong with the tables of a derived manifest, as far as that can be told here."""
    networks = networks_of(ancestors)
    if len(networks) > 1:
        message = f"datasets of several networks: {', '.join(networks)}"
        return [Problem("dependencies", message, "Contradicts", legal="one network")]
    if value.get("functions") or not ancestors:
        # A job of it is refused when it is deployed.
        return []
    try:
        from jobyard.data.plan import plan_dataset
    except ModuleNotFoundError:
        return []
    found = await asyncio.to_thread(plan_dataset, value, ancestors)
    problems = [
        Problem(
            f"tables.{error.fields['table']}.input.sql",
            error.why,
            error.code,
            value=error.fields.get("place"),
            legal=error.hint,
        )
        for error in found.refused
    ]
    for table in found.tables:
        given = _named(value["tables"][table.name].get("schema"))
        if given is not None and given != table.schema.names:
            message, legal = "not the columns of its SQL", ", ".join(table.schema.names)
            place = f"tables.{table.name}.schema"
            problems.append(Problem(place, message, value=", ".join(given), legal=legal))
    return problems


def _named(schema: Any) -> list[str] | None:
    """Name the columns that a manifest says a table has; None if it does not say."""
    fields = schema.get("arrow", {}).get("fields") if isinstance(schema, dict) else None
    if not isinstance(fields, list):
        return None
    return [str(field.get("name")) for field in fields if isinstance(field, dict)]
