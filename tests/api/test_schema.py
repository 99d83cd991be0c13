"""Derived datasets over HTTP: the columns of their tables, what is refused, and their jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.test_datasets import MANIFEST, code, register

if TYPE_CHECKING:
    import httpx

    from jobyard.client import Client

ETH = {"eth": "_/eth@1.0.0"}
BUSY = "SELECT hash, CAST(gas_used * 2 AS bigint unsigned) AS twice FROM eth.blocks"


@pytest.fixture(autouse=True)
def _known(http: httpx.Client) -> None:
    tables: dict[str, Any] = {"blocks": {}, "logs": {}}
    register(http, {**MANIFEST, "tables": tables}, version="1.0.0")


def ask(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("/schema", json={"dependencies": ETH, **body})


def derived(sql: str = BUSY, **more: Any) -> dict[str, Any]:
    return {
        "kind": "manifest", "dependencies": ETH, "tables": {"t": {"input": {"sql": sql}, **more}},
    }  # fmt: skip


def test_columns_are_told_with_the_block_in_front(http: httpx.Client) -> None:
    again = "SELECT twice, CAST(twice AS text) AS x FROM self.busy"
    answer = ask(http, tables={"again": again, "busy": BUSY})

    assert answer.status_code == 200
    block = {"name": "_block_num", "type": "UInt64", "nullable": False}
    assert answer.json() == {
        "schemas": {
            "again": {"arrow": {"fields": [
                block,
                {"name": "twice", "type": "UInt64", "nullable": True},
                {"name": "x", "type": "Utf8", "nullable": True},
            ]}},
            "busy": {"arrow": {"fields": [
                block,
                {"name": "hash", "type": {"FixedSizeBinary": 32}, "nullable": True},
                {"name": "twice", "type": "UInt64", "nullable": True},
            ]}},
        }
    }  # fmt: skip


def test_types_are_written_as_manifests_have_them(http: httpx.Client) -> None:
    sql = (
        "SELECT timestamp, base_fee_per_gas, extra_data, [1] AS l, {'a': true} AS r,"
        " date '2020-01-01' AS d FROM eth.blocks"
    )
    fields = ask(http, tables={"t": sql}).json()["schemas"]["t"]["arrow"]["fields"]
    assert [field["type"] for field in fields[1:]] == [
        {"Timestamp": ["Microsecond", "+00:00"]},
        {"Decimal128": [38, 0]},
        "Binary",
        {"List": {"name": "item", "type": "Int64", "nullable": True}},
        {"Struct": [{"name": "a", "type": "Boolean", "nullable": True}]},
        "Date32",
    ]


REFUSED: list[tuple[dict[str, Any], tuple[int, str]]] = [
    ({"tables": []}, (400, "INVALID_PAYLOAD_FORMAT")),
    ({"tables": {"t": {"sql": BUSY}}}, (400, "INVALID_PAYLOAD_FORMAT")),
    ({"tables": {"t": BUSY}, "kind": "manifest"}, (400, "INVALID_PAYLOAD_FORMAT")),
    ({"tables": {"t": BUSY}, "dependencies": {"eth": "_/eth@latest"}},
     (400, "INVALID_PAYLOAD_FORMAT")),
    ({"tables": {"t": BUSY}, "dependencies": {"eth": "_/eth@dev"}},
     (400, "INVALID_PAYLOAD_FORMAT")),
    ({"tables": {"t": BUSY}, "dependencies": {"self": "_/eth@1.0.0"}},
     (400, "INVALID_PAYLOAD_FORMAT")),
    ({}, (400, "EMPTY_TABLES_AND_FUNCTIONS")),
    ({"tables": {"a b": BUSY}}, (400, "INVALID_TABLE_NAME")),
    ({"tables": {"t": "SELECT FROM"}}, (400, "INVALID_TABLE_SQL")),
    ({"tables": {"t": f"{BUSY} LIMIT 1"}}, (400, "NON_INCREMENTAL_QUERY")),
    ({"tables": {"t": "SELECT 1 AS x FROM a.eth.blocks"}}, (400, "CATALOG_QUALIFIED_TABLE")),
    ({"tables": {"t": "SELECT 1 AS x FROM eth.slots"}}, (400, "TABLE_REFERENCE_RESOLUTION")),
    ({"tables": {"t": "SELECT 1 AS x"}}, (400, "NO_TABLE_REFERENCES")),
    ({"tables": {"t": "SELECT 1 AS x FROM self.t"}}, (400, "SELF_REFERENCING_TABLE")),
    ({"tables": {"t": "SELECT 1 AS x FROM self.u"}}, (400, "SELF_REF_TABLE_NOT_FOUND")),
    ({"tables": {"t": "SELECT 1 AS x FROM self.u", "u": "SELECT 1 AS x FROM self.t"}},
     (400, "CYCLIC_DEPENDENCY")),
    ({"tables": {"t": BUSY}, "dependencies": {"eth": "_/eth@9.0.0"}},
     (404, "DEPENDENCY_NOT_FOUND")),
    ({"tables": {"t": BUSY}, "functions": {"f": {}}}, (422, "UNUSABLE")),
]  # fmt: skip


def test_what_has_no_columns_is_refused_with_its_code(http: httpx.Client) -> None:
    for body, wanted in REFUSED:
        answer = ask(http, **body)

        assert code(answer) == wanted, body
        assert answer.json().get("hint"), body


def test_the_client_asks_for_columns(mine: Client) -> None:
    found = mine.schema({"busy": BUSY}, dependencies=ETH)

    fields = found["schemas"]["busy"]["arrow"]["fields"]
    assert [field["name"] for field in fields] == ["_block_num", "hash", "twice"]


def test_a_manifest_is_registered_only_if_all_of_its_tables_can_be_made(
    http: httpx.Client,
) -> None:
    sql = "SELECT nothing FROM eth.blocks"
    both = {**derived(sql), "tables": {
        "t": {"input": {"sql": sql}}, "u": {"input": {"sql": f"{BUSY} LIMIT 1"}},
    }}  # fmt: skip
    answer = register(http, both, name="d")

    assert code(answer) == (400, "MANIFEST_VALIDATION_ERROR")
    told = {problem["path"]: problem["code"] for problem in answer.json()["errors"]}
    assert told == {
        "tables.t.input.sql": "INVALID_TABLE_SQL", "tables.u.input.sql": "NON_INCREMENTAL_QUERY",
    }  # fmt: skip


def test_the_columns_of_a_manifest_are_those_of_its_sql(http: httpx.Client) -> None:
    schema = ask(http, tables={"t": BUSY}).json()["schemas"]["t"]
    assert register(http, derived(schema=schema), name="d").status_code == 201

    schema["arrow"]["fields"].pop()
    answer = register(http, derived(schema=schema), name="d")
    assert code(answer) == (400, "MANIFEST_VALIDATION_ERROR")
    assert answer.json()["errors"][0]["path"] == "tables.t.schema"


def test_datasets_of_several_networks_are_not_put_together(http: httpx.Client) -> None:
    register(http, {**MANIFEST, "network": "sepolia"}, name="other", version="1.0.0")
    two = {**derived(), "dependencies": {**ETH, "other": "_/other@1.0.0"}}

    answer = register(http, two, name="d")
    assert code(answer) == (400, "MANIFEST_VALIDATION_ERROR")
    assert answer.json()["errors"][0]["path"] == "dependencies"


def test_a_derived_dataset_is_deployed_as_a_job_that_begins_where_its_sources_do(
    http: httpx.Client,
) -> None:
    register(http, derived(), name="d", version="1.0.0")
    at = "/datasets/_/d/versions/1.0.0/deploy"
    made = http.post(at, json={"end_block": "20", "batch_blocks": 5})
    assert made.status_code == 202
    assert http.post(at, json={"end_block": "20", "batch_blocks": 5}).json() == made.json()
    assert code(http.post(at, json={"end_block": "20"})) == (409, "ACTIVE_JOB_CONFLICT")

    job = http.get(f"/jobs/{made.json()['job_id']}").json()
    extract = job["spec"]["extract"]
    assert (extract["kind"], extract["network"], extract["start"]) == ("manifest", "mainnet", 10)
    (origin,) = extract["derived"]["origins"]
    assert (origin["alias"], origin["dataset"]) == ("eth", "_/eth")


def test_options_that_mean_nothing_for_a_derived_dataset_are_refused(http: httpx.Client) -> None:
    register(http, derived(), name="d", version="1.0.0")
    options = {"parallelism": 2, "verify": True, "providers": ["a"], "end_block": "5"}

    answer = http.post("/datasets/_/d/versions/1.0.0/deploy", json=options)
    assert code(answer) == (400, "INVALID_BODY")
    assert {problem["path"] for problem in answer.json()["errors"]} == set(options)
    raw = http.post("/datasets/_/eth/versions/1.0.0/deploy", json={"batch_blocks": 5})
    assert [problem["path"] for problem in raw.json()["errors"]] == ["batch_blocks"]


def test_functions_are_kept_and_not_run(http: httpx.Client) -> None:
    function = {"inputTypes": [], "outputType": "Utf8", "source": {"source": "x"}}
    manifest = {**derived("SELECT f() AS x FROM eth.blocks"), "functions": {"f": function}}

    assert register(http, manifest, name="d", version="1.0.0").status_code == 201
    assert code(http.post("/datasets/_/d/versions/1.0.0/deploy"))[0] == 422
