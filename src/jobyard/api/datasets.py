"""The routes of datasets: register, list, read, delete, deploy."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.desks.counter import MOST_ROWS
from jobyard.api.desks.datasets import registration
from jobyard.api.desks.jobs import PAGE
from jobyard.api.desks.tables import location_of
from jobyard.api.documents import described_body, mapping_of
from jobyard.api.parameters import LARGEST_ID, Limit, Rows
from jobyard.api.shapes import answers, nothing
from jobyard.errors import InvalidBody, InvalidPayloadFormat
from jobyard.spec import naming
from jobyard.spec.extraction import DEPLOYMENT, REMATERIALIZATION

Namespace = Annotated[
    str, Path(pattern=f"^{naming.DATASET_SPACE}$", description="The namespace of datasets.")
]
Name = Annotated[str, Path(pattern=f"^{naming.DATASET}$", description="The name of a dataset.")]
Revision = Annotated[
    str,
    Path(
        pattern=f"^(latest|dev|[0-9a-f]{{64}}|{naming.VERSION})$",
        max_length=naming.MOST_VERSION,
        description="A version, a manifest's hash, `latest` or `dev`.",
    ),
]
Table = Annotated[
    str, Path(pattern=f"^{naming.TABLE}$", description="The name of a table of the dataset.")
]
_LOCATION: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"location_id": {"type": ["integer", "null"], "minimum": 1, "maximum": 2**62}},
}
_REGISTRATION: dict[str, Any] = {
    "type": "object",
    "required": ["namespace", "name", "manifest"],
    "additionalProperties": False,
    "properties": {
        "namespace": {"type": "string", "pattern": f"^{naming.DATASET_SPACE}$"},
        "name": {"type": "string", "pattern": f"^{naming.DATASET}$"},
        "version": {"type": "string", "description": "Such as 1.2.0."},
        "manifest": {
            "anyOf": [{"type": "string", "pattern": "^[0-9a-f]{64}$"}, {"type": "object"}]
        },
    },
}


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``."""
    router = APIRouter(tags=["datasets"])

    @router.get("/datasets", responses=answers("Datasets", 400))
    async def list_datasets(
        limit: Rows = MOST_ROWS,
        after: Annotated[
            str, Query(max_length=200, description="The last page's `next_cursor`.")
        ] = "",
    ) -> Response:
        """List datasets by name."""
        return answer(await desk.datasets_page(after=after, limit=limit))

    @router.post(
        "/datasets",
        status_code=201,
        responses=answers("DatasetRevision", 400, 404, 408, 413, status=201),
        openapi_extra=described_body(_REGISTRATION, "A name, and a manifest or the hash of one."),
    )
    async def register_dataset(request: Request) -> Response:
        """Have a dataset mean a manifest, as `dev` and as a version if one is given; idempotent."""
        body = await mapping_of(request, desk.limits, InvalidPayloadFormat)
        dataset, manifest, version = registration(body)
        return answer(await desk.register_dataset(dataset, manifest, version=version), 201)

    @router.get("/datasets/{namespace}/{name}", responses=answers("DatasetRevision", 400, 404))
    async def read_dataset(namespace: Namespace, name: Name) -> Response:
        """Read a dataset's latest revision."""
        return answer(await desk.dataset(f"{namespace}/{name}"))

    @router.delete("/datasets/{namespace}/{name}", status_code=204, responses=nothing(400))
    async def delete_dataset(namespace: Namespace, name: Name) -> Response:
        """Delete a dataset, its versions and what manifests no other has; not its data."""
        await desk.delete_dataset(f"{namespace}/{name}")
        return Response(status_code=204)

    @router.get("/datasets/{namespace}/{name}/versions", responses=answers("Versions", 400, 404))
    async def list_versions(namespace: Namespace, name: Name) -> Response:
        """List a dataset's versions, from the highest down."""
        return answer(await desk.versions(f"{namespace}/{name}"))

    _add_revisions(router, desk)
    return router


def _add_revisions(router: APIRouter, desk: Desk) -> None:
    below = "/datasets/{namespace}/{name}/versions/{revision}"

    @router.get(below, responses=answers("DatasetRevision", 400, 404))
    async def read_revision(namespace: Namespace, name: Name, revision: Revision) -> Response:
        """Read a revision of a dataset."""
        return answer(await desk.dataset(f"{namespace}/{name}@{revision}"))

    @router.delete(below, status_code=204, responses=nothing(400))
    async def delete_version(namespace: Namespace, name: Name, revision: Revision) -> Response:
        """Delete a version; not the highest, and neither a hash nor `latest` nor `dev` are one."""
        await desk.delete_version(f"{namespace}/{name}@{revision}")
        return Response(status_code=204)

    @router.get(f"{below}/manifest", responses=answers("Manifest", 400, 404))
    async def read_manifest_of_revision(
        namespace: Namespace, name: Name, revision: Revision
    ) -> Response:
        """Read the manifest of a revision as it was registered."""
        return answer(await desk.manifest_of_dataset(f"{namespace}/{name}@{revision}"))

    @router.post(
        f"{below}/deploy",
        status_code=202,
        responses=answers("Deployed", 400, 404, 408, 409, 413, 422, status=202),
        openapi_extra=described_body(
            DEPLOYMENT.schema(), "What is to be extracted how.", required=False
        ),
    )
    async def deploy_dataset(
        namespace: Namespace, name: Name, revision: Revision, request: Request
    ) -> Response:
        """Have a revision extracted; the same again while its job is active is that job."""
        options = await mapping_of(request, desk.limits, InvalidBody, empty=True)
        dataset = f"{namespace}/{name}@{revision}"
        return answer(await desk.deploy(dataset, **options), 202)

    _add_restoring(router, desk)

    @router.post(
        f"{below}/rematerialize",
        status_code=202,
        responses=answers("Rematerialized", 400, 404, 408, 409, 413, 422, status=202),
        openapi_extra=described_body(REMATERIALIZATION.schema(), "Which blocks, and how."),
    )
    async def rematerialize_dataset(
        namespace: Namespace, name: Name, revision: Revision, request: Request
    ) -> Response:
        """Have blocks of a revision extracted anew; what has them now leaves its table."""
        options = await mapping_of(request, desk.limits, InvalidBody)
        dataset = f"{namespace}/{name}@{revision}"
        return answer(await desk.rematerialize(dataset, **options), 202)

    @router.get(f"{below}/jobs", responses=answers("Jobs", 400, 404))
    async def list_jobs_of_revision(
        namespace: Namespace,
        name: Name,
        revision: Revision,
        status: Annotated[
            str, Query(description="all, active, terminal, error, or statuses with commas between.")
        ] = "all",
        limit: Limit = PAGE,
        last_job_id: Annotated[
            int | None, Query(ge=1, le=LARGEST_ID, description="The last page's `next_cursor`.")
        ] = None,
    ) -> Response:
        """List the jobs of a revision, newest first, each once."""
        dataset = f"{namespace}/{name}@{revision}"
        return answer(
            await desk.dataset_jobs(dataset, status=status, limit=limit, last_job_id=last_job_id)
        )


def _add_restoring(router: APIRouter, desk: Desk) -> None:
    below = "/datasets/{namespace}/{name}/versions/{revision}"

    @router.post(
        f"{below}/restore",
        status_code=202,
        responses=answers("RestoredTables", 400, 404, 409, 422, 500, status=202),
    )
    async def restore_dataset(namespace: Namespace, name: Name, revision: Revision) -> Response:
        """Make the newest revision in storage the active one, of each table."""
        return answer(await desk.restore_dataset(f"{namespace}/{name}@{revision}"), 202)

    @router.post(
        f"{below}/tables/{{table_name}}/restore",
        responses=answers("RestoredTable", 400, 404, 408, 409, 413, 422, 500),
        openapi_extra=described_body(
            _LOCATION, "Which revision, if not the newest.", required=False
        ),
    )
    async def restore_table(
        namespace: Namespace, name: Name, revision: Revision, table_name: Table, request: Request
    ) -> Response:
        """Do the same with one table, or with the revision of it that is named."""
        body = await mapping_of(request, desk.limits, InvalidPayloadFormat, empty=True)
        dataset, location_id = f"{namespace}/{name}@{revision}", location_of(body)
        return answer(await desk.restore_table(dataset, table_name, location_id=location_id))
