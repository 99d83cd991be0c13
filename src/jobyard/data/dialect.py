"""SQL as DataFusion speaks it, for sqlglot: read into a tree and written again as it was.

sqlglot has no dialect of DataFusion. PostgreSQL's is near, but translates functions; here every
function stays what it is called. Whoever rewrites a query compares the plans of what was given and
of what is written unchanged, so that what gets lost on the way is noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

if TYPE_CHECKING:
    from typing import Any

    _Parser = sqlglot.Parser
    _Generator = sqlglot.Generator
else:
    _Parser, _Generator = Postgres.Parser, Postgres.Generator


class DataFusion(Postgres):
    """Reads and writes SQL for DataFusion."""

    class Parser(_Parser):
        """Reads all functions as calls of a name."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: parse
            for name, parse in Postgres.Parser.FUNCTION_PARSERS.items()
            if name != "DATE_PART"
        }
        # The caret is not a power here.
        EXPONENT: ClassVar[dict[Any, Any]] = {}
        BITWISE: ClassVar[dict[Any, Any]] = {
            **Postgres.Parser.BITWISE,
            TokenType.CARET: exp.BitwiseXor,
        }

    class Generator(_Generator):
        """Writes what was read."""

        TRANSFORMS: ClassVar[dict[Any, Any]] = {
            kind: write
            for kind, write in Postgres.Generator.TRANSFORMS.items()
            if kind not in {exp.TryCast, exp.BitwiseXor}
        }
        TYPE_MAPPING: ClassVar[dict[Any, Any]] = {
            **Postgres.Generator.TYPE_MAPPING,
            exp.DType.TINYINT: "TINYINT",
            exp.DType.UTINYINT: "TINYINT UNSIGNED",
            exp.DType.USMALLINT: "SMALLINT UNSIGNED",
            exp.DType.UINT: "INT UNSIGNED",
            exp.DType.UBIGINT: "BIGINT UNSIGNED",
        }

        def trycast_sql(self, expression: exp.TryCast) -> str:
            """Keep that a value may not be of the type."""
            return self.cast_sql(expression, safe_prefix="TRY_")

        def bitwisexor_sql(self, expression: exp.BitwiseXor) -> str:
            """Keep the caret."""
            return self.binary(expression, "^")

        def not_sql(self, expression: exp.Not) -> str:
            """Keep NOT where it stood: it is part of the column's name."""
            inner = expression.this
            if isinstance(inner, exp.In) and not inner.args.get("query"):
                return self.in_sql(inner).replace(" IN (", " NOT IN (", 1)
            if isinstance(inner, exp.Is):
                return f"{self.sql(inner, 'this')} IS NOT {self.sql(inner, 'expression')}"
            if isinstance(inner, exp.RegexpLike):
                return f"{self.sql(inner, 'this')} !~ {self.sql(inner, 'expression')}"
            return super().not_sql(expression)


def parsed(sql: str) -> list[exp.Expr]:
    """Read the statements of a text.

    Raises:
        ValueError: it is no SQL; says where.
    """
    try:
        found = sqlglot.parse(sql, dialect=DataFusion)
    except (SqlglotError, RecursionError) as error:
        raise ValueError(str(error).partition("\n")[0] or "it is too deep") from error
    return [one for one in found if one is not None]


def written(tree: exp.Expr) -> str:
    """Write a tree as SQL."""
    return tree.sql(dialect=DataFusion, normalize_functions=False)
