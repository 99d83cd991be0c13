"""The routes of tables' revisions: list, keep, activate, restore, clean up; and of their files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.desks.counter import MOST_ROWS
from jobyard.api.desks.tables import (
    CONCURRENCY,
    GC_DELAY,
    MOST_CONCURRENCY,
    table_words,
)
from jobyard.api.documents import described_body, mapping_of
from jobyard.api.parameters import LARGEST_ID, After, Rows
from jobyard.api.shapes import answers, listed, nothing
from jobyard.core.extract import MOST_BLOCK
from jobyard.errors import InvalidPayloadFormat

RevisionId = Annotated[
    int, Path(ge=1, le=LARGEST_ID, description="The id of a revision of a table.")
]
FileId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id of a file of a table.")]
Active = Annotated[bool | None, Query(description="Only active ones, or only others.")]
MOST_DELAY = 10**9
"""Seconds, some 30 years."""


def words(*more: str) -> dict[str, Any]:
    """Describe a body that names a table, and what else is wanted."""
    names = ("dataset", "table_name", *more)
    schema = {
        "type": "object",
        "required": list(names),
        "additionalProperties": False,
        "properties": {name: {"type": "string", "minLength": 1} for name in names},
    }
    return described_body(schema, "A dataset as `namespace/name@revision`, and a table of it.")


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``."""
    router = APIRouter(tags=["tables"])

    @router.get("/revisions", responses=answers(listed("TableRevision"), 400))
    async def list_revisions(
        active: Active = None,
        limit: Rows = 100,
        after: After = 0,
    ) -> Response:
        """List revisions of tables by id."""
        return answer(await desk.revisions(active=active, limit=limit, after=after))

    @router.post(
        "/revisions",
        responses=answers("RegisteredRevision", 400, 404, 408, 409, 413),
        openapi_extra=words("path"),
    )
    async def register_revision(request: Request) -> Response:
        """Keep a folder as a revision of a table, not active; idempotent."""
        body = await mapping_of(request, desk.limits, InvalidPayloadFormat)
        return answer(await desk.register_revision(*table_words(body, "path")))

    @router.post(
        "/revisions/deactivate",
        responses=answers({"type": "object"}, 400, 404, 408, 409, 413),
        openapi_extra=words(),
    )
    async def deactivate_revision(request: Request) -> Response:
        """Have a table have no active revision, so that the next job begins a new one."""
        body = await mapping_of(request, desk.limits, InvalidPayloadFormat)
        await desk.deactivate_revision(*table_words(body))
        return answer({})

    @router.get("/revisions/{revision_id}", responses=answers("TableRevision", 400, 404))
    async def read_revision(revision_id: RevisionId) -> Response:
        """Read a revision of a table."""
        return answer(await desk.revision(revision_id))

    @router.delete("/revisions/{revision_id}", status_code=204, responses=nothing(400, 404, 409))
    async def delete_revision(revision_id: RevisionId) -> Response:
        """Forget a revision that is not active; its files stay where they lie."""
        await desk.delete_revision(revision_id)
        return Response(status_code=204)

    _add_changes(router, desk)
    _add_files(router, desk)
    return router


def _add_changes(router: APIRouter, desk: Desk) -> None:
    @router.post(
        "/revisions/{revision_id}/activate",
        responses=answers("TableRevision", 400, 404, 408, 409, 413, 422, 500),
        openapi_extra=words(),
    )
    async def activate_revision(revision_id: RevisionId, request: Request) -> Response:
        """Have a revision be the one that is read and written, in place of the one that is."""
        body = await mapping_of(request, desk.limits, InvalidPayloadFormat)
        return answer(await desk.activate_revision(revision_id, *table_words(body)))

    @router.post(
        "/revisions/{revision_id}/restore",
        responses=answers("RestoredFiles", 400, 404, 409, 422, 500),
    )
    async def restore_revision(revision_id: RevisionId) -> Response:
        """Make a revision have the files that lie in its folder."""
        return answer(await desk.restore_revision(revision_id))

    @router.delete(
        "/revisions/{revision_id}/truncate",
        responses=answers("DeletedFiles", 400, 404, 409, 422),
    )
    async def truncate_revision(
        revision_id: RevisionId,
        concurrency: Annotated[
            int, Query(ge=1, le=MOST_CONCURRENCY, description="Files removed at the same time.")
        ] = CONCURRENCY,
    ) -> Response:
        """Forget a revision that is not active, and remove its files."""
        return answer(await desk.truncate_revision(revision_id, concurrency=concurrency))

    @router.delete(
        "/revisions/{revision_id}/prune",
        responses=answers("ScheduledFiles", 400, 404, 409, 422),
    )
    async def prune_revision(
        revision_id: RevisionId,
        before_block: Annotated[
            int | None, Query(ge=0, le=MOST_BLOCK, description="Only files that end below it.")
        ] = None,
        gc_delay_secs: Annotated[
            int, Query(ge=0, le=MOST_DELAY, description="Seconds that the files stay.")
        ] = GC_DELAY,
    ) -> Response:
        """Have files removed later that are not in the canonical chain."""
        return answer(
            await desk.prune_revision(
                revision_id, before_block=before_block, gc_delay_secs=gc_delay_secs
            )
        )


def _add_files(router: APIRouter, desk: Desk) -> None:
    @router.get("/revisions/{revision_id}/files", responses=answers("TableFiles", 400, 404))
    async def list_files(
        revision_id: RevisionId,
        limit: Rows = MOST_ROWS,
        after: Annotated[
            str, Query(max_length=200, description="The last page's `next_cursor`.")
        ] = "",
    ) -> Response:
        """List the files of a revision by their first blocks."""
        return answer(await desk.revision_files(revision_id, limit=limit, after=after))

    @router.get("/files/{file_id}", responses=answers("WholeTableFile", 400, 404, 422))
    async def read_file(file_id: FileId) -> Response:
        """Read a file of a table, with what it says of itself."""
        return answer(await desk.file(file_id))
