"""Errors of datasets that are made of others by SQL."""

from __future__ import annotations

from typing import ClassVar

from jobyard.errors.chains import ChainFailed
from jobyard.errors.missing import NotFound
from jobyard.errors.requests import InvalidRequest


class TableRefused(InvalidRequest):
    """A table that cannot be made by its SQL; names the table, the place and what would be right.

    ``table`` is the table's name, ``place`` the part of its SQL that is refused.
    """

    slug = "table-refused"
    title = "The table cannot be made"
    code = "TABLE_REFUSED"
    what: ClassVar[str] = "cannot be made"

    def __init__(self, table: str, why: str, *, hint: str, place: str | None = None) -> None:
        """Name the table, the part of its SQL, why it is refused and what would be right."""
        shown = "" if place is None else f": `{place}`"
        super().__init__(f"table `{table}`: {why}{shown}", hint=hint, table=table, place=place)
        self.why = why


class EmptyTablesAndFunctions(InvalidRequest):
    """There is neither a table nor a function, so there is nothing to tell the schema of."""

    slug = "empty-tables-and-functions"
    title = "There is no table"
    code = "EMPTY_TABLES_AND_FUNCTIONS"


class InvalidTableName(InvalidRequest):
    """A name that tables cannot have."""

    slug = "invalid-table-name"
    title = "Not the name of a table"
    code = "INVALID_TABLE_NAME"


class InvalidTableSql(TableRefused):
    """SQL that cannot be read, is no query, or names columns that are not there."""

    slug = "invalid-table-sql"
    title = "The SQL is not valid"
    code = "INVALID_TABLE_SQL"


class NonIncrementalQuery(TableRefused):
    """A query whose result for some blocks is not final when those blocks are known."""

    slug = "non-incremental-query"
    title = "The query cannot be answered block by block"
    code = "NON_INCREMENTAL_QUERY"


class CatalogQualifiedTable(TableRefused):
    """A table is named with three words; there are no catalogs here."""

    slug = "catalog-qualified-table"
    title = "A table has a catalog"
    code = "CATALOG_QUALIFIED_TABLE"


class TableReferenceResolution(TableRefused):
    """A table that no dependency has, or of a dataset that is no dependency."""

    slug = "table-reference-resolution"
    title = "A table is not there"
    code = "TABLE_REFERENCE_RESOLUTION"


class NoTableReferences(TableRefused):
    """A query of no table: its rows would belong to no block."""

    slug = "no-table-references"
    title = "The SQL names no table"
    code = "NO_TABLE_REFERENCES"


class SelfReferencingTable(TableRefused):
    """A table that is to be made of itself."""

    slug = "self-referencing-table"
    title = "The table is made of itself"
    code = "SELF_REFERENCING_TABLE"


class SelfRefTableNotFound(TableRefused):
    """A table of the dataset itself that it does not have."""

    slug = "self-ref-table-not-found"
    title = "The dataset has no such table"
    code = "SELF_REF_TABLE_NOT_FOUND"


class CyclicDependency(TableRefused):
    """Tables that are made of each other, in a circle."""

    slug = "cyclic-dependency"
    title = "Tables are made of each other"
    code = "CYCLIC_DEPENDENCY"


class DependencyNotFound(NotFound):
    """A dependency is no dataset that is registered, or has no such version."""

    slug = "dependency-not-found"
    title = "No such dependency"
    code = "DEPENDENCY_NOT_FOUND"

    def __init__(self, alias: str, dataset: str) -> None:
        """Name what SQL calls it, and the dataset."""
        super().__init__(
            f"`{alias}` is {dataset}, which is not registered",
            hint="`jobyard dataset list` shows all datasets; register it first",
            alias=alias,
            dataset=dataset,
        )


class DependencyNotSynced(ChainFailed):
    """A dataset is made of another one that nobody has extracted, nor does anybody now."""

    slug = "dependency-not-synced"
    title = "A dependency has no blocks"
    code = "DEPENDENCY_NOT_SYNCED"

    def __init__(self, dataset: str, manifest_hash: str, table: str) -> None:
        """Name the dataset and the table."""
        super().__init__(
            f"nobody has extracted the table `{table}` of {dataset}",
            hint=f"deploy it first: jobyard dataset deploy {dataset}@{manifest_hash}",
            dataset=dataset,
            table=table,
        )


class SourceReorganised(ChainFailed):
    """What tables are made of changes while it is read; another look is needed."""

    slug = "source-reorganised"
    title = "The sources change"
    code = "SOURCE_REORGANISED"
    retryable = True


class TableNotMade(ChainFailed):
    """A query fails at some blocks: a value that it cannot work with, or more than memory holds."""

    slug = "table-not-made"
    title = "The query fails"
    code = "TABLE_NOT_MADE"

    def __init__(self, table: str, cause: str) -> None:
        """Name the table and what DataFusion says."""
        super().__init__(
            f"the query of `{table}` fails: {cause}",
            hint="change the SQL so that it can take these rows, or set a smaller batch_blocks",
            table=table,
        )
