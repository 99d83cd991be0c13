"""Whatever is asked in the words of our own description is answered as it says.

Schemathesis makes requests from the OpenAPI description, sound ones and broken ones, and checks
statuses, content types, shapes and headers. The seed is fixed, the number is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tests.api.conftest import Serving, serving

from jobyard.api.app import make_app
from jobyard.wire.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.store.base import LogStore, Store

REQUESTS = 25
"""Sound requests to each route, and as many broken ones."""
JOBS = [
    {"name": "waits", "command": ["true"], "labels": {"zone": "eu"}},
    {"name": "suspended", "command": ["true"], "suspend": True},
    {"name": "stopped", "command": ["true"], "completions": 3, "completion_mode": "Indexed"},
    {"name": "awaits", "command": ["true"], "depends_on": [{"job": "waits"}]},
    {"name": "over", "command": ["true"]},
]
MANIFEST = {"kind": "evm-rpc", "network": "mainnet", "tables": {"blocks": {}}}
STOPPED = ("stopped", "over")
WORDS_OF = {
    "status": list(WORDS),
    "label": ["zone=eu", "zone!=eu"],
    "executor": ["process", "fake"],
    "older_than": ["7d", "0s"],
}
FREE = {
    "POST /manifests", "POST /datasets", "POST /providers",  # rules between fields, too
    "POST /schema",
    "POST /datasets/{namespace}/{name}/versions/{revision}/deploy",
    "DELETE /datasets/{namespace}/{name}/versions/{revision}",  # not every revision is a version
    "GET /datasets/{namespace}/{name}/versions/{revision}/jobs",  # words in any letter case
    "POST /revisions", "POST /revisions/deactivate", "POST /revisions/{revision_id}/activate",
    "POST /jobs", "POST /apply", "PATCH /jobs/{job_id}",  # rules between fields are in no schema
    "GET /jobs", "DELETE /jobs",  # words in any letter case
    "GET /jobs/{job_id}/logs",  # parameters that belong together
}  # fmt: skip
"""Routes that may refuse what the description allows; it is a 400 there."""

ENDLESS = {"GET /jobs/stream", "GET /jobs/{job_id}/logs/stream"}
"""Routes whose answers have no end; test_streams reads them, and has them refuse."""

DESCRIBED = schemathesis.openapi.from_dict(
    make_app(cast("Store", None), cast("LogStore", None)).openapi()
)
OPERATIONS: list[Any] = [
    found.ok()  # type: ignore[union-attr]
    for found in DESCRIBED.get_all_operations()
    # These answer for as long as somebody listens.
    if not found.ok().path.endswith("/stream")  # type: ignore[union-attr]
]


@DESCRIBED.hook
def map_path_parameters(context: Any, parameters: Any) -> Any:
    """Ask half of the time for a job that is there."""
    del context
    job_id = (parameters or {}).get("job_id")
    if isinstance(job_id, int) and job_id % 2:
        parameters["job_id"] = 1 + job_id % len(JOBS)
    if len((parameters or {}).get("name", "")) % 2:
        parameters |= {"namespace": "_", "name": "eth"}
        parameters |= {"revision": "1.0.0"} if "revision" in parameters else {}
    return parameters


@DESCRIBED.hook
def map_query(context: Any, query: Any) -> Any:
    """Use words that are known in place of texts that are not, mostly."""
    del context
    for name, words in WORDS_OF.items():
        text = (query or {}).get(name)
        if isinstance(text, str) and len(text) % 4:
            query[name] = words[len(text) % len(words)]
    return query


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of a store with a few jobs, on which nothing is run."""
    with serving(tmp_path_factory.mktemp("described") / "state", engine=False) as running:
        with httpx.Client(base_url=running.url, trust_env=False) as http:
            for job in http.post("/jobs", json={"jobs": JOBS}).json()["jobs"]:
                if job["name"] in STOPPED:
                    http.put(f"/jobs/{job['id']}/stop")
            http.post(
                "/datasets",
                json={"namespace": "_", "name": "eth", "version": "1.0.0", "manifest": MANIFEST},
            )
        yield running


def cases() -> Iterator[Any]:
    for operation in OPERATIONS:
        if operation.label in ENDLESS:
            continue
        yield pytest.param(operation, GenerationMode.POSITIVE, id=f"{operation.label} sound")
        if any(operation.iter_parameters()) or operation.body:
            yield pytest.param(operation, GenerationMode.NEGATIVE, id=f"{operation.label} broken")


@pytest.mark.parametrize(("operation", "mode"), list(cases()))
def test_every_answer_is_as_described(served: Serving, operation: Any, mode: Any) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=REQUESTS,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        left_out = [positive_data_acceptance] if operation.label in FREE else []
        case.call_and_validate(base_url=served.url, excluded_checks=left_out)

    ask()
