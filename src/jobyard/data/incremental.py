"""One query, made to be answered block by block.

The result of a query grows with the blocks of its tables. A row of the result belongs to the
greatest block among the rows that it is made of, which becomes its column ``_block_num``; so the
rows of blocks ``[a, b)`` are known as soon as all tables are known below ``b``, and never change
after. Tables that are joined on ``_block_num`` are read in ``[a, b)`` only. Of others the rows of
``[a, b)`` are, table for table, what one of them has new in ``[a, b)`` beside all that those before
it have below ``a`` and those behind it below ``b``: each row is found once.

What breaks this is refused: whatever looks at several rows at once, or at rows that are not there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from jobyard.core.derived import SELF
from jobyard.data.dialect import parsed, written
from jobyard.errors import (
    CatalogQualifiedTable,
    InvalidTableSql,
    NonIncrementalQuery,
    NoTableReferences,
    TableReferenceResolution,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jobyard.errors import TableRefused

BLOCK = "_block_num"
_SUBQUERY = "write it as an inner JOIN, which knows the block of each row"
_ONE_BY_ONE = "rows are taken one by one; count, sort and cut when you query the table"
REFUSED = {
    "distinct": ("DISTINCT compares all rows", _ONE_BY_ONE),
    "group": ("GROUP BY looks at several rows", _ONE_BY_ONE),
    "having": ("HAVING looks at several rows", _ONE_BY_ONE),
    "qualify": ("QUALIFY looks at several rows", _ONE_BY_ONE),
    "windows": ("a window looks at several rows", _ONE_BY_ONE),
    "limit": ("LIMIT cuts all rows", _ONE_BY_ONE),
    "offset": ("OFFSET cuts all rows", _ONE_BY_ONE),
    "order": ("ORDER BY sorts all rows", f"tables are sorted by {BLOCK}; {_ONE_BY_ONE}"),
}
"""Parts of a query that look at several rows, by what sqlglot calls them."""
_SOURCE = {"this", "db", "catalog", "alias"}
_JOIN = {"this", "on", "using", "side", "kind", "method"}
MOST_LEAVES = 64
"""Tables that one query may read, each counted as often as it is named."""
_KEPT = {"expressions", "from_", "joins", "where", "with_"}
_WITHOUT_PARENTHESES = {
    "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
}  # fmt: skip
VOLATILE = {"now", "random", "uuid", "gen_random_uuid", "today"} | _WITHOUT_PARENTHESES
"""Functions that say something else each time."""
_BLOCKS_OF = re.compile("\x02(lo|hi)([0-9]+)\x03")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A table that a query reads, each time that it is named; ``place`` is its number."""

    place: int
    alias: str
    table: str

    @property
    def name(self) -> str:
        """What it is called where the query runs."""
        return f"leaf_{self.place}"


Unit = frozenset[int]
"""Leaves whose rows in one row of the result are always of the same block."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of a UNION ALL: SQL with a gap for the blocks of each leaf, and the units."""

    sql: str
    units: tuple[Unit, ...]

    def terms(self, start: int, stop: int) -> Iterator[str]:
        """Write the queries whose results together are the rows of some blocks."""
        for new in range(len(self.units)):
            spans: dict[str, tuple[int, int]] = {}
            for place, unit in enumerate(self.units):
                span = (0, start) if place < new else (0, stop)
                spans.update(dict.fromkeys(map(str, unit), (start, stop) if place == new else span))
            if all(low < high for low, high in spans.values()):
                yield _BLOCKS_OF.sub(
                    lambda gap, spans=spans: str(spans[gap[2]][gap[1] == "hi"]),  # type: ignore[misc]
                    self.sql,
                )


@dataclass(frozen=True, slots=True)
class Incremental:
    """A table's query, ready to be asked for some blocks."""

    table: str
    given: str
    plain: str
    """The query as it was given, read and written again."""
    leaves: tuple[Leaf, ...]
    branches: tuple[Branch, ...]

    @property
    def local(self) -> bool:
        """Tell whether rows of some blocks need no other blocks."""
        return all(len(branch.units) == 1 for branch in self.branches)

    def query(self, start: int, stop: int) -> str:
        """Write the query for the rows of blocks ``[start, stop)``."""
        terms = [term for branch in self.branches for term in branch.terms(start, stop)]
        return " UNION ALL ".join(f"({term})" for term in terms)


def incremental(table: str, sql: str) -> Incremental:
    """Read a table's query and prepare it to be answered block by block.

    Raises:
        TableRefused: it is no query, or none of which that can be done; says where.
    """
    try:
        statements = parsed(sql)
    except ValueError as error:
        raise InvalidTableSql(table, str(error), hint="write one SELECT") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise InvalidTableSql(table, "it is not one query", hint="write one SELECT", place=sql)
    try:
        plain = written(statements[0])
        reader = _Reader(table)
        branches = tuple(
            Branch(written(one.tree), one.units) for one in reader.branches(statements[0], {})
        )
    except RecursionError as error:
        raise InvalidTableSql(table, "it is too deep", hint="make it several tables") from error
    return Incremental(table, sql, plain, tuple(reader.leaves), branches)


@dataclass(slots=True)
class _Part:
    """A query that was rewritten, and the units of its leaves."""

    tree: exp.Query
    units: tuple[Unit, ...]


@dataclass(slots=True)
class _Item:
    """What stands behind FROM or JOIN, and what columns call it."""

    name: exp.Identifier
    units: tuple[Unit, ...]

    def block(self) -> exp.Column:
        return exp.column(exp.to_identifier(BLOCK, quoted=True), table=self.name.copy())


@dataclass(slots=True)
class _Scope:
    """One SELECT: its items, and what its columns call them by dataset and table."""

    items: list[_Item] = field(default_factory=list)
    qualified: dict[tuple[str, str], exp.Identifier] = field(default_factory=dict)

    def named(self) -> set[str]:
        return {folded(item.name) for item in self.items}


@dataclass(frozen=True, slots=True)
class _Named:
    """A query of a WITH, and those that stand before it."""

    query: exp.Query
    known: Mapping[str, _Named]


def folded(identifier: exp.Expr) -> str:
    """Tell which name is meant: without quotes letters are small."""
    name: str = identifier.name
    return name if identifier.args.get("quoted") else name.lower()


class _Reader:
    """Rewrites a query from the inside out, and numbers its leaves."""

    def __init__(self, table: str) -> None:
        self._table = table
        self.leaves: list[Leaf] = []

    def branches(self, query: exp.Expr, ctes: Mapping[str, _Named]) -> list[_Part]:
        """Rewrite each part of a UNION ALL on its own."""
        while isinstance(query, exp.Subquery):
            self._check_parts(query, {"this"})
            query = query.this
        if isinstance(query, exp.Select):
            return [self._select(query, ctes)]
        if not isinstance(query, exp.Union):
            if isinstance(query, exp.SetOperation):
                self._refuse(query, f"{query.key.upper()} compares all rows", _SUBQUERY)
            hint = "FROM takes tables of datasets, and queries of them"
            raise InvalidTableSql(self._table, "not a SELECT", hint=hint, place=_shown(query))
        ctes = self._ctes(query, ctes)
        if query.args.get("distinct"):
            self._refuse(query, "UNION compares all rows", "UNION ALL keeps each of them")
        self._check_parts(query, {"this", "expression", "distinct", "with_"})
        return [*self.branches(query.this, ctes), *self.branches(query.expression, ctes)]

    def _select(self, select: exp.Select, outer: Mapping[str, _Named]) -> _Part:
        ctes = self._ctes(select, outer)
        self._check_parts(select, _KEPT)
        scope = _Scope()
        origin = select.args.get("from_")
        if origin is None:
            raise NoTableReferences(
                self._table, "it has no FROM", hint="FROM alias.table", place=_shown(select)
            )
        joins: list[exp.Join] = select.args.get("joins") or []
        for join in joins:
            self._check_join(join)
        # What is written and what is read must not change under the loop.
        for source in [origin.this, *(join.this for join in joins)]:
            source.replace(self._item(source, scope, ctes))
        conditions = [*(join.args["on"] for join in joins if join.args.get("on"))]
        where = select.args.get("where")
        conditions += [where.this] if where is not None else []
        for tree in (*select.expressions, *conditions):
            self._check_values(tree)
        self._name_columns(select, scope)
        units = _united(scope, _equal(scope, joins, conditions))
        self._project(select, scope, units)
        return _Part(select, units)

    def _ctes(self, query: exp.Query, outer: Mapping[str, _Named]) -> Mapping[str, _Named]:
        """Take queries that have a name off; each place that names one gets a copy."""
        given = query.args.get("with_")
        if given is None:
            return outer
        if given.args.get("recursive"):
            self._refuse(given, "recursion looks at its own rows", "make it a table of its own")
        known = dict(outer)
        for cte in given.expressions:
            if cte.args["alias"].args.get("columns"):
                self._invalid(cte, "columns in a WITH", "name them in its SELECT: … AS name")
            # A name means what stood before it.
            known[folded(cte.args["alias"].this)] = _Named(cte.this, dict(known))
        query.set("with_", None)
        return known

    def _item(self, source: exp.Expr, scope: _Scope, ctes: Mapping[str, _Named]) -> exp.Expr:
        hint = "FROM takes tables of datasets and queries; unnest() stands in SELECT"
        if any(value and part not in _SOURCE for part, value in source.args.items()):
            self._invalid(source, "this cannot stand in FROM", hint)
        alias = source.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            self._invalid(source, "columns of an alias", "name them in SELECT: … AS name")
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
            if not source.args.get("db") and folded(source.this) in ctes:
                named = ctes[folded(source.this)]
                alias = alias or exp.TableAlias(this=source.this.copy())
                source, ctes = exp.Subquery(this=named.query.copy(), alias=alias), named.known
            else:
                return self._leaf(source, scope)
        if not isinstance(source, exp.Subquery):
            self._invalid(source, "this cannot stand in FROM", hint)
        return self._subquery(source, scope, ctes)

    def _subquery(
        self, source: exp.Subquery, scope: _Scope, ctes: Mapping[str, _Named]
    ) -> exp.Expr:
        given = source.this.copy()
        parts = self.branches(source.this, ctes)
        units = parts[0].units
        tree: exp.Query = parts[0].tree
        if len(parts) > 1:
            if any(len(part.units) > 1 for part in parts):
                why = "UNION ALL of joins inside of another query"
                self._refuse(given, why, "make it a table of its own")
            units = (frozenset().union(*(part.units[0] for part in parts)),)
            for part in parts[1:]:
                tree = exp.Union(this=tree, expression=part.tree, distinct=False)
        alias = source.args.get("alias")
        name = alias.this if alias else exp.to_identifier(f"part_{len(scope.items)}", quoted=True)
        self._add(scope, name, units)
        return exp.Subquery(this=tree, alias=exp.TableAlias(this=name.copy()))

    def _leaf(self, table: exp.Table, scope: _Scope) -> exp.Expr:
        shown = _shown(table)
        if table.args.get("catalog"):
            why = "tables have no catalog"
            raise CatalogQualifiedTable(self._table, why, hint="alias.table", place=shown)
        if not table.args.get("db"):
            raise TableReferenceResolution(
                self._table,
                "a table without its dataset",
                hint=f"alias.table for a dependency's, {SELF}.table for one of this dataset",
                place=shown,
            )
        space, word = folded(table.args["db"]), folded(table.this)
        if len(self.leaves) == MOST_LEAVES:
            why = f"it reads more than {MOST_LEAVES} tables"
            raise InvalidTableSql(self._table, why, hint="make it several tables, by self.table")
        leaf = Leaf(len(self.leaves), space, word)
        self.leaves.append(leaf)
        alias = table.args.get("alias")
        if alias is not None:
            name = alias.this
        else:
            taken = word in scope.named()
            name = exp.to_identifier(f"{space}.{word}" if taken else word, quoted=True)
            scope.qualified[space, word] = name
        self._add(scope, name, (frozenset({leaf.place}),))
        low, high = (exp.Var(this=f"\x02{edge}{leaf.place}\x03") for edge in ("lo", "hi"))
        block = exp.column(exp.to_identifier(BLOCK, quoted=True))
        rows = (
            exp.select("*")
            .from_(exp.table_(exp.to_identifier(leaf.name, quoted=True)))
            .where(exp.GTE(this=block, expression=low))
            .where(exp.LT(this=block.copy(), expression=high))
        )
        return exp.Subquery(this=rows, alias=exp.TableAlias(this=name.copy()))

    def _add(self, scope: _Scope, name: exp.Identifier, units: tuple[Unit, ...]) -> None:
        if folded(name) in scope.named():
            self._invalid(name, "two tables have the same name", "give them names: … AS name")
        scope.items.append(_Item(name, units))

    def _check_parts(self, query: exp.Query, kept: set[str]) -> None:
        for part, value in query.args.items():
            if not value or part in kept:
                continue
            if part in REFUSED:
                shown = value if isinstance(value, exp.Expr) else query
                self._refuse(shown, *REFUSED[part])
            self._invalid(query, f"{part.strip('_').upper()} is not for tables", "a plain SELECT")

    def _check_join(self, join: exp.Join) -> None:
        if any(value and part not in _JOIN for part, value in join.args.items()):
            self._invalid(join, "not a JOIN of tables", "a plain JOIN")
        side, kind = (join.args.get(word) or "" for word in ("side", "kind"))
        if side or kind.upper() not in {"", "INNER", "CROSS"}:
            why = f"{side or kind} JOIN depends on rows that are not there".strip()
            self._refuse(join, why, "an inner JOIN; what has no match may get one in a later block")

    def _check_values(self, tree: exp.Expr) -> None:
        """Check a value: it may look at one row only, and must be the same each time."""
        for node in tree.walk():
            if isinstance(node, (exp.Query, exp.Exists)):
                self._refuse(node, "a query inside of a value", _SUBQUERY)
            if isinstance(node, (exp.Window, exp.AggFunc)):
                self._refuse(node, "it looks at several rows", _ONE_BY_ONE)
            name = node.name if isinstance(node, exp.Anonymous) else ""
            if not name and isinstance(node, exp.Func):
                name = node.sql_name()
            plain = isinstance(node, exp.Column) and not node.table
            if name.lower() in VOLATILE or (plain and node.name.lower() in _WITHOUT_PARENTHESES):
                why = "a function that says something else each time"
                self._refuse(node, why, "tables must come out the same again; use columns")

    def _name_columns(self, select: exp.Select, scope: _Scope) -> None:
        """Let columns of ``dataset.table.column`` find their table under its new name."""
        for column in [*select.find_all(exp.Column)]:
            if column.find_ancestor(exp.Query) is not select:
                continue
            # With a field of a record behind it, the dataset stands one place further in front.
            for space, word in (("db", "table"), ("catalog", "db")):
                parts = column.args.get(space), column.args.get(word)
                if parts[0] is not None and parts[1] is not None:
                    name = scope.qualified.get((folded(parts[0]), folded(parts[1])))
                    if name is not None:
                        column.set(space, None)
                        column.set(word, name.copy())

    def _project(self, select: exp.Select, scope: _Scope, units: tuple[Unit, ...]) -> None:
        """Put the block in front of what is selected, and nowhere else."""
        kept = []
        for value in self._selected(select, scope):
            if isinstance(value, exp.Star) or (
                isinstance(value, exp.Column) and isinstance(value.this, exp.Star)
            ):
                star = value if isinstance(value, exp.Star) else value.this
                left = [*(star.args.get("except_") or [])]
                if all(one.name != BLOCK for one in left):
                    left.append(exp.column(BLOCK))
                star.set("except_", left)
            elif value.output_name.lower() == BLOCK:
                if not _is_block(value.unalias(), scope, units):
                    hint = "leave it out: it is put in front, the greatest of the tables joined"
                    self._invalid(value, f"`{BLOCK}` is not yours to say", hint)
                continue
            kept.append(value)
        blocks: list[exp.Expr] = [item.block() for item in scope.items]
        block = blocks[0]
        if len(blocks) > 1:
            block = exp.Anonymous(this="greatest", expressions=blocks)
        named = exp.alias_(block, BLOCK, quoted=True)
        select.set("expressions", [named, *kept])

    def _selected(self, select: exp.Select, scope: _Scope) -> Iterator[exp.Expr]:
        """Give what is selected; of several tables `*` is all columns of each."""
        for value in select.expressions:
            if isinstance(value, exp.Star) and not value.args.get("except_") and scope.items[1:]:
                for item in scope.items:
                    yield exp.Column(this=exp.Star(), table=item.name.copy())
            else:
                yield value

    def _refuse(self, node: exp.Expr, why: str, hint: str) -> NoReturn:
        raise self._error(NonIncrementalQuery, node, why, hint)

    def _invalid(self, node: exp.Expr, why: str, hint: str) -> NoReturn:
        raise self._error(InvalidTableSql, node, why, hint)

    def _error(self, kind: type[TableRefused], node: exp.Expr, why: str, hint: str) -> TableRefused:
        return kind(self._table, why, hint=hint, place=_shown(node))


def _shown(node: exp.Expr) -> str:
    text = written(node)
    return text if len(text) <= 120 else f"{text[:119]}…"  # noqa: PLR2004 - a line


def _is_block(value: exp.Expr, scope: _Scope, units: tuple[Unit, ...]) -> bool:
    """Tell whether a value is the block of the row: of one table if all are of the same."""
    if isinstance(value, exp.Column):
        return value.name.lower() == BLOCK and len(units) == 1
    if not isinstance(value, exp.Anonymous) or value.name.lower() != "greatest":
        return False
    columns = [one for one in value.expressions if isinstance(one, exp.Column)]
    named = {folded(one.args["table"]) for one in columns if one.args.get("table")}
    blocks = all(one.name.lower() == BLOCK for one in columns)
    return blocks and len(columns) == len(value.expressions) and named == scope.named()


def _equal(
    scope: _Scope, joins: Sequence[exp.Join], conditions: Sequence[exp.Expr]
) -> Iterator[tuple[str, str]]:
    """Find which items of a SELECT have rows of the same block in each row of the result."""
    names = [folded(item.name) for item in scope.items]
    for place, join in enumerate(joins, 1):
        using = any(folded(one) == BLOCK for one in join.args.get("using") or ())
        if using or (join.args.get("method") or "").upper() == "NATURAL":
            # The column that is common to both is that of whatever stands before.
            yield names[0], names[place]
    for condition in conditions:
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            part = part.unnest()  # noqa: PLW2901 - what stands in the parentheses
            sides = (part.this, part.expression) if isinstance(part, exp.EQ) else ()
            columns = [
                folded(side.args["table"])
                for side in sides
                if isinstance(side, exp.Column) and side.name == BLOCK and side.args.get("table")
            ]
            if len(columns) == len(sides) > 0:
                yield columns[0], columns[1]


def _united(scope: _Scope, equal: Iterator[tuple[str, str]]) -> tuple[Unit, ...]:
    """Put the leaves of items together whose rows are of the same block."""
    groups: list[tuple[set[str], tuple[Unit, ...]]] = [
        ({folded(item.name)}, item.units) for item in scope.items
    ]
    for one, other in equal:
        found = [group for group in groups if one in group[0] or other in group[0]]
        # Of an item that is itself several units only the greatest block is known.
        if len(found) == 2 and all(len(units) == 1 for _, units in found):  # noqa: PLR2004
            names = found[0][0] | found[1][0]
            unit = found[0][1][0] | found[1][1][0]
            groups = [group for group in groups if group not in found]
            groups.append((names, (unit,)))
    return tuple(unit for _, units in groups for unit in units)
