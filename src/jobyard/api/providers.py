"""The routes of providers: register, list, read, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.documents import described_body, mapping_of
from jobyard.api.shapes import answers, nothing
from jobyard.core.dataset import RAW_KINDS
from jobyard.errors import InvalidRequestBody
from jobyard.spec.naming import PROVIDER

ProviderName = Annotated[str, Path(pattern=f"^{PROVIDER}$", description="The name of a provider.")]
_PROVIDER: dict[str, Any] = {
    "type": "object",
    "required": ["name", "kind", "network"],
    "properties": {
        "name": {"type": "string", "pattern": f"^{PROVIDER}$"},
        "kind": {"enum": list(RAW_KINDS)},
        "network": {"type": "string"},
    },
}


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``."""
    router = APIRouter(tags=["providers"])

    @router.get("/providers", responses=answers("Providers", 400))
    async def list_providers() -> Response:
        """List providers by name, without their secrets."""
        return answer(await desk.providers())

    @router.post(
        "/providers",
        status_code=201,
        responses=answers("Provider", 400, 408, 413, status=201),
        openapi_extra=described_body(_PROVIDER, "A provider; `${VAR}` stands for a variable."),
    )
    async def register_provider(request: Request) -> Response:
        """Keep a provider, in place of an older one of its name."""
        body = await mapping_of(request, desk.limits, InvalidRequestBody)
        name = body.pop("name", None)
        if not isinstance(name, str):
            raise InvalidRequestBody("the provider's name is missing", hint="`name` is text")
        return answer(await desk.register_provider(name, body), 201)

    @router.get("/providers/{provider_name}", responses=answers("Provider", 400, 404))
    async def read_provider(provider_name: ProviderName) -> Response:
        """Read one provider without its secrets."""
        return answer(await desk.provider(provider_name))

    @router.delete("/providers/{provider_name}", status_code=204, responses=nothing(400, 409))
    async def delete_provider(provider_name: ProviderName) -> Response:
        """Delete a provider; one that is not there is deleted already."""
        await desk.delete_provider(provider_name)
        return Response(status_code=204)

    return router
