"""What every error is, and what the command line's exit codes mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator


class ExitCode:
    """What the command line's exit codes mean."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNREACHABLE = 5
    BUG = 70
    CONFIGURATION = 78
    INTERRUPTED = 130


class JobyardError(Exception):
    """The root: what a caller of Jobyard may catch to catch all of them."""

    slug: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL"
    exit_code: ClassVar[int] = ExitCode.FAILED

    def __init__(self, detail: str, *, hint: str | None = None, **fields: Any) -> None:
        """Say what happened in ``detail``, what would be right in ``hint``, the facts as fields."""
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.fields = fields

    def __str__(self) -> str:
        """Read as the detail alone; the hint is printed on its own line by whoever shows it."""
        return self.detail


def family(of: type[JobyardError] = JobyardError) -> Iterator[type[JobyardError]]:
    """Give the errors below one, a parent before its own, the lowest HTTP status first.

    Errors of other rooms are left out: which of them are there depends on what is imported.
    """
    own = (kind for kind in of.__subclasses__() if kind.__module__.startswith("jobyard.errors."))
    for kind in sorted(own, key=lambda kind: kind.status):
        yield kind
        yield from family(kind)
