"""JSON Schema (2020-12) of every shape, made from the tables that check documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.spec import application, kubernetes
from jobyard.spec.extraction_file import EXTRACTION

if TYPE_CHECKING:
    from jobyard.spec.kinds import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def application_schema() -> Schema:
    """Describe the application document, and one job object on its own."""
    document = application.APPLICATION.schema()
    document["properties"]["jobs"] = {
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/$defs/job"},
        "description": "Jobs, in order.",
    }
    return {
        "$schema": DIALECT,
        "title": "Jobyard application document",
        "description": "A document with `jobs:`, or one job object on its own.",
        "$defs": {
            "job": application.JOB.schema(),
            "document": {**document, "required": ["jobs"]},
        },
        "anyOf": [{"$ref": "#/$defs/document"}, {"$ref": "#/$defs/job"}],
    }


def kubernetes_schema() -> Schema:
    """Describe a ``batch/v1`` Job manifest as it is read here, and a List of them."""
    job = kubernetes.JOB.schema()
    job["properties"]["apiVersion"] = {"const": "batch/v1"}
    job["properties"]["kind"] = {"const": "Job"}
    listed: Schema = {
        "type": "object",
        "required": ["apiVersion", "kind", "items"],
        "properties": {
            "apiVersion": {"enum": ["v1", "batch/v1"]},
            "kind": {"const": "List"},
            "items": {"type": "array", "items": {"$ref": "#/$defs/job"}},
        },
    }
    return {
        "$schema": DIALECT,
        "title": "Kubernetes Job manifest",
        "description": "Unread fields are kept and shown; null is the same as leaving a field out.",
        "$defs": {"job": job, "list": listed},
        "anyOf": [{"$ref": "#/$defs/job"}, {"$ref": "#/$defs/list"}],
    }


def extraction_schema() -> Schema:
    """Describe an extraction in one document, which a manifest of a dataset is, too."""
    return {
        "$schema": DIALECT,
        "title": "Jobyard extraction",
        "description": "What `jobyard run` extracts: blocks of a chain, to tables of Parquet.",
        **EXTRACTION.schema(),
    }


def schemas() -> dict[str, Schema]:
    """Give every schema by the name of its file in docs/reference."""
    return {
        "application": application_schema(),
        "kubernetes-job": kubernetes_schema(),
        "extraction": extraction_schema(),
    }
