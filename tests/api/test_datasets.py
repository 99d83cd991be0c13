"""Manifests, datasets and their jobs over HTTP: statuses, codes, shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.hands import hand

from jobyard.spec.manifest import manifest_hash

if TYPE_CHECKING:
    import httpx
    from tests.api.conftest import Serving

    from jobyard.client import Client

MANIFEST: dict[str, Any] = {
    "kind": "evm-rpc", "network": "mainnet", "start_block": 10, "tables": {"blocks": {}},
}  # fmt: skip
HASH = manifest_hash(MANIFEST)
OTHER = {**MANIFEST, "network": "sepolia"}
AT = "/datasets/_/eth/versions"


def derived(**dependencies: str) -> dict[str, Any]:
    alias = next(iter(dependencies))
    table = "blocks" if alias == "eth" else "t"
    tables = {"t": {"input": {"sql": f"SELECT * FROM {alias}.{table}"}}}
    return {"kind": "manifest", "dependencies": dependencies, "tables": tables}


def register(http: httpx.Client, manifest: Any = MANIFEST, **more: Any) -> httpx.Response:
    body = {"namespace": "_", "name": "eth", "manifest": manifest, **more}
    return http.post("/datasets", json=body)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def deploy(http: httpx.Client, revision: str = "1.0.0", **options: Any) -> httpx.Response:
    return http.post(f"{AT}/{revision}/deploy", json=options)


def test_a_manifest_is_found_by_its_hash(http: httpx.Client) -> None:
    for _ in range(2):
        made = http.post("/manifests", json=MANIFEST)
        assert (made.status_code, made.json()) == (201, {"hash": HASH})

    assert http.get(f"/manifests/{HASH}").json() == MANIFEST
    listed = http.get("/manifests").json()
    assert listed == {"manifests": [{"hash": HASH, "kind": "evm-rpc", "dataset_count": 0}]}
    assert http.get(f"/manifests/{HASH}/datasets").json() == {"hash": HASH, "datasets": []}


def test_lists_have_pages(http: httpx.Client) -> None:
    for name in ("a", "b", "c"):
        register(http, {**MANIFEST, "network": name}, name=name)

    for noun, key in (("datasets", "name"), ("manifests", "hash")):
        first = http.get(f"/{noun}", params={"limit": 2}).json()
        after = first["next_cursor"]
        rest = http.get(f"/{noun}", params={"limit": 2, "after": after}).json()
        assert "next_cursor" not in rest
        found = [one[key] for one in (*first[noun], *rest[noun])]
        assert (len(found), found) == (3, sorted(found))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("[]", (400, "INVALID_PAYLOAD_FORMAT")),
        ("not: [json", (400, "INVALID_PAYLOAD_FORMAT")),
        ('{"kind": "evm-rpc"}', (400, "INVALID_MANIFEST")),
        ('{"kind": "evm-rpc", "network": "a", "tables": {}}', (400, "MANIFEST_VALIDATION_ERROR")),
    ],
)
def test_what_is_no_manifest_is_refused(http: httpx.Client, body: str, wanted: Any) -> None:
    assert code(http.post("/manifests", content=body)) == wanted
    assert http.get("/manifests").json() == {"manifests": []}


def test_all_problems_of_a_manifest_are_told(http: httpx.Client) -> None:
    answer = http.post("/manifests", json={"kind": "solana", "start_block": -1, "tables": {}})

    assert sorted(problem["path"] for problem in answer.json()["errors"]) == [
        "network", "start_block",
    ]  # fmt: skip


def test_a_hash_that_is_none_and_one_that_is_not_there(http: httpx.Client) -> None:
    for path in ("/manifests/abc", f"/manifests/{'A' * 64}", "/manifests/x/datasets"):
        assert code(http.get(path)) == (400, "INVALID_HASH")
    for path in (f"/manifests/{HASH}", f"/manifests/{HASH}/datasets"):
        assert code(http.get(path)) == (404, "MANIFEST_NOT_FOUND")
    assert http.delete(f"/manifests/{HASH}").status_code == 204


def test_a_linked_manifest_stays_and_the_others_can_be_pruned(http: httpx.Client) -> None:
    register(http, version="1.0.0")
    http.post("/manifests", json=OTHER)

    assert code(http.delete(f"/manifests/{HASH}")) == (409, "MANIFEST_LINKED")
    assert http.get(f"/manifests/{HASH}/datasets").json()["datasets"] == [
        {"namespace": "_", "name": "eth", "version": "1.0.0"},
        {"namespace": "_", "name": "eth", "version": "dev"},
    ]
    assert http.delete("/manifests").json() == {"deleted_count": 1}
    assert http.delete("/manifests").json() == {"deleted_count": 0}
    http.delete("/datasets/_/eth")
    assert http.get("/manifests").json() == {"manifests": []}


def test_a_registered_dataset_is_read_by_every_name_of_its_revision(http: httpx.Client) -> None:
    made = register(http, version="1.0.0")
    again = register(http, HASH, version="1.0.0")

    assert (made.status_code, again.status_code) == (201, 201)
    assert made.json() == again.json() == {
        "namespace": "_", "name": "eth", "revision": "1.0.0", "version": "1.0.0",
        "manifest_hash": HASH, "kind": "evm-rpc", "network": "mainnet", "start_block": 10,
        "finalized_blocks_only": False, "tables": ["blocks"],
    }  # fmt: skip
    for revision in ("1.0.0", "latest", "dev", HASH):
        read = http.get(f"{AT}/{revision}")
        assert read.json() == {**made.json(), "revision": revision}
        assert http.get(f"{AT}/{revision}/manifest").json() == MANIFEST
    # A system of our kind answers this path with an error, always.
    assert http.get("/datasets/_/eth").json() == {**made.json(), "revision": "latest"}


def test_a_dataset_lists_its_versions_from_the_highest_down(http: httpx.Client) -> None:
    for version in ("1.0.0", "0.9.0", "1.1.0-rc.1"):
        register(http, version=version)
    register(http, OTHER)

    found = http.get(AT).json()
    listed = http.get("/datasets").json()["datasets"]

    versions = [one["version"] for one in found["versions"]]
    assert versions == listed[0]["versions"] == ["1.1.0-rc.1", "1.0.0", "0.9.0"]
    assert found["special_tags"] == {"latest": "1.1.0-rc.1", "dev": manifest_hash(OTHER)}
    assert listed[0]["latest_version"] == "1.1.0-rc.1"
    assert found["versions"][0]["created_at"].endswith("Z")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "eth", "manifest": MANIFEST},
        {"namespace": "_", "name": "Eth", "manifest": MANIFEST},
        {"namespace": "-", "name": "eth", "manifest": MANIFEST},
        {"namespace": "_", "name": "eth"},
        {"namespace": "_", "name": "eth", "manifest": "abc"},
        {"namespace": "_", "name": "eth", "manifest": MANIFEST, "version": "latest"},
        {"namespace": "_", "name": "eth", "manifest": MANIFEST, "tag": "1.0.0"},
    ],
)
def test_a_registration_that_is_none_is_refused(http: httpx.Client, body: Any) -> None:
    assert code(http.post("/datasets", json=body)) == (400, "INVALID_PAYLOAD_FORMAT")


def test_a_registration_of_a_wrong_or_missing_manifest(http: httpx.Client) -> None:
    assert code(register(http, "f" * 64)) == (404, "MANIFEST_NOT_FOUND")
    assert code(register(http, {"kind": "x"})) == (400, "INVALID_MANIFEST")
    assert http.get("/datasets").json() == {"datasets": []}


def test_a_derived_dataset_builds_on_what_is_there_and_never_on_itself(http: httpx.Client) -> None:
    answer = register(http, derived(eth="_/eth@1.0.0", b="_/b@1.0.0"), name="a")
    assert code(answer) == (400, "MANIFEST_VALIDATION_ERROR")
    assert [problem["path"] for problem in answer.json()["errors"]] == [
        "dependencies.eth", "dependencies.b",
    ]  # fmt: skip
    register(http, version="1.0.0")
    assert register(http, derived(eth="_/eth@1.0.0"), name="a", version="1.0.0").status_code == 201
    assert register(http, derived(a="_/a@1.0.0"), name="b").status_code == 201
    # A version that comes to mean another manifest could close a circle.
    circle = register(http, derived(a="_/a@1.0.0"), name="eth", version="1.0.0")
    assert code(circle) == (400, "MANIFEST_VALIDATION_ERROR")
    assert circle.json()["errors"][0]["code"] == "Cyclic"
    assert http.post("/datasets/_/a/versions/1.0.0/deploy").status_code == 202


def test_names_and_revisions_that_are_none_are_no_path(http: httpx.Client) -> None:
    for path in (
        "/datasets/_/Eth", "/datasets/A/eth", "/datasets/_/eth/versions/1", "/datasets/_/9",
        f"{AT}/x/manifest", f"{AT}/1.0/jobs",
    ):  # fmt: skip
        assert code(http.get(path)) == (400, "INVALID_PATH")
    assert code(http.post(f"{AT}/x/deploy")) == (400, "INVALID_PATH")


def test_what_is_not_there_is_not_found(http: httpx.Client) -> None:
    for path in ("/datasets/_/eth", AT, f"{AT}/latest", f"{AT}/dev/manifest", f"{AT}/latest/jobs"):
        assert code(http.get(path)) == (404, "DATASET_NOT_FOUND")
    assert code(deploy(http)) == (404, "DATASET_NOT_FOUND")
    register(http)
    assert code(http.get(f"{AT}/1.0.0")) == (404, "DATASET_NOT_FOUND")


def test_the_highest_version_and_what_is_no_version_cannot_be_deleted(http: httpx.Client) -> None:
    for version in ("1.0.0", "2.0.0"):
        register(http, version=version)

    assert code(http.delete(f"{AT}/2.0.0")) == (400, "CANNOT_DELETE_LATEST_VERSION")
    for revision in ("latest", "dev", HASH):
        assert code(http.delete(f"{AT}/{revision}")) == (400, "INVALID_PATH")
    for _ in range(2):
        assert http.delete(f"{AT}/1.0.0").status_code == 204
    assert [one["version"] for one in http.get(AT).json()["versions"]] == ["2.0.0"]


def test_deleting_a_dataset_is_idempotent(http: httpx.Client) -> None:
    register(http)

    for _ in range(2):
        assert http.delete("/datasets/_/eth").status_code == 204
    assert code(http.get("/datasets/_/eth")) == (404, "DATASET_NOT_FOUND")


def test_a_deployed_dataset_is_a_job_that_says_what_it_extracts(http: httpx.Client) -> None:
    register(http, version="1.0.0")

    made = deploy(http, "dev", end_block="20", parallelism=3, verify=True)

    assert made.status_code == 202
    job = http.get(f"/jobs/{made.json()['job_id']}").json()
    assert job["dataset"] == {"namespace": "_", "name": "eth", "version": "1.0.0"}
    assert (job["manifest_hash"], job["end_block"], job["parallelism"]) == (HASH, "20", 3)
    assert (job["completions"], job["completion_mode"]) == (3, "Indexed")
    assert job["descriptor"] == {
        "kind": "materialize-raw", "end_block": "20", "max_writers": 3,
        "dataset_namespace": "_", "dataset_name": "eth", "manifest_hash": HASH, "verify": True,
    }  # fmt: skip
    assert [one["id"] for one in http.get("/jobs", params={"dataset": "_/eth"}).json()["jobs"]] == [
        job["id"]
    ]


def test_a_deployment_without_a_body_follows_the_head(http: httpx.Client) -> None:
    register(http, version="1.0.0")

    made = http.post(f"{AT}/latest/deploy")

    job = http.get(f"/jobs/{made.json()['job_id']}").json()
    assert (made.status_code, job["end_block"], job["parallelism"]) == (202, None, 1)


def test_a_deployment_may_begin_above_the_dataset(http: httpx.Client) -> None:
    register(http, version="1.0.0")

    job_id = deploy(http, start_block=15, end_block=20).json()["job_id"]

    extract = http.get(f"/jobs/{job_id}").json()["spec"]["extract"]
    assert (extract["start"], extract["end"]) == (15, "20")
    conflict = deploy(http, start_block=16, end_block=20)
    assert (conflict.status_code, conflict.json()["fields"]) == (409, ["start_block"])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (20, "20"), ("20", "20"), ("0020", "20"), ("latest", "latest"), ("-5", "-5"), (-5, "-5"),
        (None, None), ("none", None), (10, "10"),
    ],
    ids=repr,
)  # fmt: skip
def test_an_end_is_text_or_a_number(http: httpx.Client, written: Any, read: Any) -> None:
    register(http, version="1.0.0")

    job_id = deploy(http, end_block=written).json()["job_id"]

    assert http.get(f"/jobs/{job_id}").json()["end_block"] == read


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"end_block": 9}, "end_block"),
        ({"start_block": 9}, "start_block"),
        ({"start_block": 20, "end_block": 19}, "end_block"),
        ({"end_block": "soon"}, "end_block"),
        ({"end_block": 1.5}, "end_block"),
        ({"end_block": True}, "end_block"),
        ({"parallelism": 0}, "parallelism"),
        ({"parallelism": 65536}, "parallelism"),
        ({"worker_id": "a*b"}, "worker_id"),
        ({"verify": 2}, "verify"),
        ({"verify": "partly"}, "verify"),
        ({"speed": 3}, "speed"),
        ({"layout": 3}, "layout"),
        ({"layout": {"file_bytes": "1"}}, "layout.file_bytes"),
        ({"dataset": "x"}, "dataset"),
    ],
)
def test_a_deployment_that_is_wrong_is_refused(http: httpx.Client, options: Any, path: str) -> None:
    register(http, version="1.0.0")

    answer = deploy(http, **options)

    assert code(answer) == (400, "INVALID_BODY")
    assert [problem["path"] for problem in answer.json()["errors"]] == [path]
    assert http.get("/jobs").json() == {"jobs": []}


def test_a_body_that_is_no_object_is_refused(http: httpx.Client) -> None:
    register(http, version="1.0.0")

    assert code(http.post(f"{AT}/latest/deploy", json=[])) == (400, "INVALID_BODY")


def test_the_same_deployment_again_is_the_same_job_and_another_a_conflict(
    http: httpx.Client,
) -> None:
    register(http, version="1.0.0")
    first = deploy(http, end_block="20", verify=False).json()["job_id"]

    assert deploy(http, "dev", parallelism=1, end_block=20).json()["job_id"] == first
    usual = {"compression": "zstd:1", "file_bytes": "256Mi"}
    assert deploy(http, end_block=20, layout=usual).json()["job_id"] == first
    other = deploy(http, end_block=20, layout={"file_bytes": "64Mi"})
    assert (other.status_code, other.json()["fields"]) == (409, ["layout"])
    conflict = deploy(http, end_block="21")
    assert code(conflict) == (409, "ACTIVE_JOB_CONFLICT")
    assert (conflict.json()["job_id"], conflict.json()["fields"]) == (first, ["end_block"])
    http.put(f"/jobs/{first}/stop")
    second = deploy(http, end_block="21").json()["job_id"]
    assert second > first
    assert [job["id"] for job in http.get(f"{AT}/dev/jobs").json()["jobs"]] == [second, first]


def test_a_worker_that_is_not_there_takes_no_job(still: Serving, http: httpx.Client) -> None:
    register(http, version="1.0.0")

    assert code(deploy(http, worker_id="w1")) == (400, "WORKER_NOT_AVAILABLE")
    hand(still, "w1")
    assert deploy(http, worker_id="w*").status_code == 202


def test_jobs_of_a_revision_have_pages_and_filters(http: httpx.Client) -> None:
    register(http, version="1.0.0")
    made = []
    for _ in range(3):
        made.append(deploy(http).json()["job_id"])
        http.put(f"/jobs/{made[-1]}/cancel")
    register(http, OTHER)
    deploy(http, "dev")

    def page(**parameters: Any) -> Any:
        return http.get(f"{AT}/1.0.0/jobs", params=parameters).json()

    first = page(limit=2)
    rest = page(limit=2, last_job_id=first["next_cursor"])
    assert [job["id"] for job in (*first["jobs"], *rest["jobs"])] == made[::-1]
    assert "next_cursor" not in rest
    assert page(status="active") == {"jobs": []}
    assert code(http.get(f"{AT}/1.0.0/jobs", params={"status": "x"})) == (
        400,
        "INVALID_QUERY_PARAM",
    )


def test_clients_speak_of_datasets_by_one_name(http: httpx.Client, mine: Client) -> None:
    assert mine.register_manifest(MANIFEST)["hash"] == HASH
    mine.register_dataset("eth", HASH, version="1.0.0+build")
    assert mine.dataset("_/eth@1.0.0+build")["manifest_hash"] == HASH
    assert mine.manifest_of_dataset("eth") == mine.manifest(HASH) == MANIFEST
    assert [one["version"] for one in mine.versions("eth")["versions"]] == ["1.0.0+build"]
    job_id = mine.deploy("eth", end_block=20)["job_id"]
    assert [job["id"] for job in mine.dataset_jobs("eth@dev")["jobs"]] == [job_id]
    assert mine.datasets_of_manifest(HASH)["datasets"][0]["name"] == "eth"
    assert [one["name"] for one in mine.datasets_page()["datasets"]] == ["eth"]
    assert mine.manifests_page()["manifests"][0]["dataset_count"] == 1
    mine.delete_version("eth@0.1.0")
    mine.delete_dataset("eth")
    mine.delete_manifest(HASH)
    assert mine.prune_manifests() == {"deleted_count": 0}
    assert http.get("/datasets").json() == {"datasets": []}
