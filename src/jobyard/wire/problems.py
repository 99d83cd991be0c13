"""Errors as JSON (RFC 9457) and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.errors import InvalidDocument, JobyardError

if TYPE_CHECKING:
    from jobyard.errors import Problem

DOCS = "urn:jobyard:error:"


def problem_object(error: JobyardError, instance: str | None = None) -> dict[str, Any]:
    """Write an error as an `application/problem+json` body."""
    body: dict[str, Any] = {
        "type": f"{DOCS}{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "error_code": error.code,
        "error_message": error.detail,
    }
    if instance is not None:
        body["instance"] = instance
    if error.hint is not None:
        body["hint"] = error.hint
    if isinstance(error, InvalidDocument):
        body["error_message"] = f"{error.detail}: {error.problems[0]}"
        body["errors"] = [_of_document(problem) for problem in error.problems]
        if error.more:
            body["more"] = error.more
    body.update({name: value for name, value in error.fields.items() if name not in body})
    return body


def _of_document(problem: Problem) -> dict[str, Any]:
    return {
        "path": problem.path,
        "line": problem.line,
        "code": problem.code,
        "detail": problem.message,
        "value": problem.value if isinstance(problem.value, (str, int, float, bool)) else None,
        "legal": problem.legal,
    }
