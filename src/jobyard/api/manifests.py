"""The routes of manifests: register, list, read, delete, prune."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.desks.counter import MOST_ROWS
from jobyard.api.desks.planning import columns
from jobyard.api.documents import described_body, mapping_of
from jobyard.api.parameters import Rows
from jobyard.api.shapes import answers, nothing
from jobyard.errors import InvalidPayloadFormat

Hash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="The hash of a manifest.")]

_WRONG = InvalidPayloadFormat
_NAMED: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
_QUERIES: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "tables": {**_NAMED, "description": "A SELECT for each name."},
        "dependencies": {**_NAMED, "description": "`namespace/name@1.2.0` for each name in SQL."},
        "functions": {"type": "object", "description": "Not run here: there must be none."},
    },
}


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``."""
    router = APIRouter(tags=["manifests"])

    @router.get("/manifests", responses=answers("Manifests", 400))
    async def list_manifests(
        limit: Rows = MOST_ROWS,
        after: Annotated[
            str, Query(max_length=64, description="The last page's `next_cursor`.")
        ] = "",
    ) -> Response:
        """List manifests by hash."""
        return answer(await desk.manifests_page(after=after, limit=limit))

    @router.post(
        "/manifests",
        status_code=201,
        responses=answers("RegisteredManifest", 400, 408, 413, status=201),
        openapi_extra=described_body({"type": "object"}, "A manifest."),
    )
    async def register_manifest(request: Request) -> Response:
        """Keep a manifest; idempotent."""
        body = await mapping_of(request, desk.limits, InvalidPayloadFormat)
        return answer(await desk.register_manifest(body), 201)

    @router.post(
        "/schema",
        responses=answers("Schemas", 400, 404, 408, 413, 422),
        openapi_extra=described_body(_QUERIES, "SQL of tables, and the datasets it speaks of."),
    )
    async def infer_schema(request: Request) -> Response:
        """Tell the columns of tables by their SQL; nothing is kept."""
        return answer(await columns(desk.store, await mapping_of(request, desk.limits, _WRONG)))

    @router.delete("/manifests", responses=answers("Pruned"))
    async def prune_manifests() -> Response:
        """Delete all manifests that no dataset has."""
        return answer(await desk.prune_manifests())

    @router.get("/manifests/{manifest_hash}", responses=answers("Manifest", 400, 404))
    async def read_manifest(manifest_hash: Hash) -> Response:
        """Read a manifest as it was registered."""
        return answer(await desk.manifest(manifest_hash))

    @router.delete("/manifests/{manifest_hash}", status_code=204, responses=nothing(400, 409))
    async def delete_manifest(manifest_hash: Hash) -> Response:
        """Delete a manifest that no dataset has; one that is not there is deleted already."""
        await desk.delete_manifest(manifest_hash)
        return Response(status_code=204)

    @router.get(
        "/manifests/{manifest_hash}/datasets", responses=answers("ManifestDatasets", 400, 404)
    )
    async def list_datasets_of_manifest(manifest_hash: Hash) -> Response:
        """Name the datasets that have a manifest."""
        return answer(await desk.datasets_of_manifest(manifest_hash))

    return router
