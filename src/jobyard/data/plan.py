"""The tables of a derived dataset, planned: what they read, in which order, with which columns.

DataFusion plans every query over empty tables of the dependencies' columns; so what is wrong with
it is known before there is any block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
from datafusion import SessionContext

from jobyard.core.dataset import DERIVED_KIND
from jobyard.core.derived import SELF
from jobyard.data.chains import CHAINS
from jobyard.data.incremental import BLOCK, Incremental, incremental
from jobyard.data.parquet import stored_schema, stored_type
from jobyard.errors import (
    CyclicDependency,
    InvalidTableSql,
    NonIncrementalQuery,
    SelfReferencingTable,
    SelfRefTableNotFound,
    TableReferenceResolution,
    TableRefused,
)
from jobyard.spec.table_sql import circular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobyard.core.derived import Ancestor

    Schemas = Mapping[str, Mapping[str, pa.Schema]]
    """Columns by what SQL calls the dataset, and by table."""

_SEVERAL_ROWS = re.compile(
    r"^\s*(Aggregate|WindowAggr|Distinct|DistinctOn|Limit|Sort|RecursiveQuery|Subquery|"
    r"(?:Left|Right|Full|LeftSemi|RightSemi|LeftAnti|RightAnti|LeftMark|RightMark) Join):(.*)$",
    re.MULTILINE,
)
"""Steps of a plan that look at several rows at once, or at rows that are not there."""


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A table that can be made; ``schema`` is that of its files, ``_block_num`` in front."""

    name: str
    query: Incremental
    schema: pa.Schema


@dataclass(slots=True)
class Plan:
    """The tables of a dataset, each behind those that it is made of, and why others are none."""

    tables: list[PlannedTable] = field(default_factory=list)
    refused: list[TableRefused] = field(default_factory=list)

    def sound(self) -> Sequence[PlannedTable]:
        """Give the tables.

        Raises:
            TableRefused: one of them cannot be made.
        """
        for error in self.refused:
            raise error
        return self.tables


def plan(tables: Mapping[str, str], known: Schemas) -> Plan:
    """Plan tables by their SQL; ``known`` are the columns of what they may be made of."""
    found = Plan()
    queries: dict[str, Incremental] = {}
    for name, sql in tables.items():
        try:
            query = incremental(name, sql)
            _check_leaves(query, tables, known)
            queries[name] = query
        except TableRefused as error:
            found.refused.append(error)
    waits = {name: _own(query) for name, query in queries.items()}
    circle = circular(waits)
    for name in circle:
        why = f"it is made of {', '.join(sorted(waits[name]))}, in a circle"
        hint = "let one of them read what the other one reads"
        found.refused.append(CyclicDependency(name, why, hint=hint))
    made: dict[str, pa.Schema] = {}
    for name in _ordered(waits):
        # What builds on a table that is refused cannot be planned, and says nothing new.
        if waits[name] <= made.keys():
            try:
                made[name] = _schema(queries[name], {**known, SELF: made})
                found.tables.append(PlannedTable(name, queries[name], made[name]))
            except TableRefused as error:
                found.refused.append(error)
    return found


def plan_dataset(value: Mapping[str, Any], ancestors: Iterable[Ancestor]) -> Plan:
    """Plan the tables of a derived dataset's manifest."""
    sqls = {name: table["input"]["sql"] for name, table in value["tables"].items()}
    return plan(sqls, known_schemas(ancestors))


def known_schemas(ancestors: Iterable[Ancestor]) -> Schemas:
    """Tell the columns of the files of what a dataset builds on.

    Raises:
        TableRefused: one of those is derived itself, and cannot be made.
    """
    return {one.alias: schemas_of(one) for one in ancestors}


def schemas_of(dataset: Ancestor) -> Mapping[str, pa.Schema]:
    """Tell the columns of a dataset's files, by table."""
    manifest = dataset.manifest
    if manifest.kind == DERIVED_KIND:
        tables = plan_dataset(dataset.value, dataset.ancestors).sound()
        return {table.name: table.schema for table in tables}
    chain = CHAINS[manifest.chain or ""]
    return {name: stored_schema(chain.tables[name]) for name in manifest.tables}


def _own(query: Incremental) -> set[str]:
    return {leaf.table for leaf in query.leaves if leaf.alias == SELF}


def _check_leaves(query: Incremental, tables: Mapping[str, str], known: Schemas) -> None:
    name = query.table
    for leaf in query.leaves:
        shown = f"{leaf.alias}.{leaf.table}"
        legal: Iterable[str] = tables
        if leaf.alias == SELF and leaf.table == name:
            hint = f"{SELF}.table is another table of this dataset"
            raise SelfReferencingTable(name, "it is made of itself", hint=hint, place=shown)
        if leaf.alias == SELF and leaf.table not in tables:
            hint = f"it has {', '.join(tables)}"
            why = "this dataset has no such table"
            raise SelfRefTableNotFound(name, why, hint=hint, place=shown)
        if leaf.alias != SELF and leaf.alias not in known:
            legal = (*known, SELF)
            why = "no dependency is called so"
            hint = f"it is one of {', '.join(legal)}; capital letters need quotes"
            raise TableReferenceResolution(name, why, hint=hint, place=shown)
        if leaf.alias != SELF and leaf.table not in known[leaf.alias]:
            hint = f"it has {', '.join(known[leaf.alias])}"
            why = "the dependency has no such table"
            raise TableReferenceResolution(name, why, hint=hint, place=shown)


def _ordered(waits: Mapping[str, set[str]]) -> list[str]:
    """Put each table behind those that it is made of; leave out those of a circle."""
    order: list[str] = []
    left = dict(waits)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        order += free
        for name in free:
            del left[name]
    return order


def _schema(query: Incremental, known: Schemas) -> pa.Schema:
    """Plan one table; tell the columns of its files."""
    context = SessionContext()
    for alias, tables in known.items():
        context.sql(f'CREATE SCHEMA "{alias}"')
        schema = context.catalog().schema(alias)
        for name, columns in tables.items():
            schema.register_table(name, _empty(columns))
    _check_plan(context, query)
    leaves = SessionContext()
    for leaf in query.leaves:
        leaves.register_dataset(leaf.name, _empty(known[leaf.alias][leaf.table]))
    try:
        found = leaves.sql(query.query(0, 1)).schema()
    except Exception as error:
        raise _refused(query, error) from error
    return _stored(query, found)


def _empty(columns: pa.Schema) -> ds.Dataset:
    return ds.dataset(columns.empty_table())


def _refused(query: Incremental, error: Exception) -> InvalidTableSql:
    why = str(error).removeprefix("DataFusion error: ").strip()
    return InvalidTableSql(query.table, why, hint="columns are those that POST /schema tells")


def _check_plan(context: SessionContext, query: Incremental) -> None:
    """Let DataFusion read the query as it was given, and see that nothing of it got lost."""
    try:
        given, plain = context.sql(query.given), context.sql(query.plain)
        read = [one.logical_plan().display_indent() for one in (given, plain)]
        same = read[0] == read[1] or (
            given.schema() == plain.schema()
            and given.optimized_logical_plan().display_indent()
            == plain.optimized_logical_plan().display_indent()
        )
    except Exception as error:
        raise _refused(query, error) from error
    if not same:
        hint = f"write it in a plainer way; it was read as {query.plain}"
        raise InvalidTableSql(query.table, "it can be read in two ways", hint=hint)
    for step in _SEVERAL_ROWS.finditer(read[0]):
        hint = "rows are taken one by one; count, sort and cut when you query the table"
        why = f"{step[1]} looks at several rows"
        raise NonIncrementalQuery(query.table, why, hint=hint, place=step[2].strip())


def _stored(query: Incremental, found: pa.Schema) -> pa.Schema:
    """Tell how the columns of a result are kept in files."""
    fields = [pa.field(BLOCK, pa.uint64(), nullable=False)]
    names = {BLOCK}
    for column in list(found)[1:]:
        if column.name in names:
            hint = "give each column a name of its own: … AS name"
            why = f"it has two columns `{column.name}`"
            raise InvalidTableSql(query.table, why, hint=hint)
        names.add(column.name)
        try:
            # What is planned never to be null may turn out to be.
            fields.append(pa.field(column.name, _kept(column.type)))
        except ValueError as error:
            hint = "say of which type it is to be: CAST(… AS BIGINT)"
            why = f"the column `{column.name}` is {error}"
            raise InvalidTableSql(query.table, why, hint=hint) from error
    return pa.schema(fields)


_PLAIN = {
    pa.string_view(): pa.string(),
    pa.binary_view(): pa.binary(),
}
"""What DataFusion works with, and what files have."""


def _kept(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _kept(kind.value_type)
    if pa.types.is_null(kind) or pa.types.is_interval(kind):
        raise ValueError(f"of the type {kind}, which files do not have")
    if pa.types.is_list(kind):
        return stored_type(pa.list_(pa.field("item", _kept(kind.value_type))))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(one.name, _kept(one.type)) for one in kind])
    return stored_type(_PLAIN.get(kind, kind))
