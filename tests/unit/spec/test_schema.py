from __future__ import annotations

import json

import pytest

from jobyard.spec.schema import application_schema, kubernetes_schema, schemas


def test_both_schemas_are_json_of_the_2020_12_dialect() -> None:
    for schema in schemas().values():
        assert json.loads(json.dumps(schema)) == schema
        assert schema["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("name", ["command", "backoff", "depends_on", "fake", "success_policy"])
def test_the_schema_of_a_job_has_every_field_with_a_description(name: str) -> None:
    job = application_schema()["$defs"]["job"]

    assert job["properties"][name]["description"]
    assert job["required"] == ["name"]
    assert job["additionalProperties"] is False
    assert "ports" not in job["properties"]


def test_the_schema_of_a_manifest_follows_the_manifest() -> None:
    job = kubernetes_schema()["$defs"]["job"]

    pod = job["properties"]["spec"]["properties"]["template"]["properties"]["spec"]
    assert pod["required"] == ["restartPolicy", "containers"]
    assert pod["properties"]["containers"]["items"]["properties"]["image"]["type"] == "string"
    rule = job["properties"]["spec"]["properties"]["podFailurePolicy"]["properties"]["rules"]
    assert rule["items"]["properties"]["onExitCodes"]["properties"]["values"]["maxItems"] == 255
