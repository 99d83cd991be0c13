"""The document of an extraction: what it may say, and what is told of one that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jobyard.chain.catalogue import TABLES as CATALOGUE
from jobyard.core.layout import FileLayout
from jobyard.errors import InvalidDocument
from jobyard.spec.document import read
from jobyard.spec.extraction_file import TABLES, Wanted
from jobyard.spec.load import Purpose, load
from jobyard.spec.schema import schemas

NOW = datetime(2030, 1, 1, tzinfo=UTC)
WHOLE = """\
kind: evm-rpc
network: sepolia
url: [https://one.example, https://two.example]
tables: [logs, blocks]
start_block: 5
end_block: -10
parallelism: 3
verify: 0.5
finalized_blocks_only: true
layout: {file_bytes: 64Mi, compact: false}
out: s3://bucket/path
"""


def wanted(text: str, **overrides: Any) -> Wanted:
    loaded = load(text, now=NOW, purpose=Purpose.RUN, source="a.yaml", overrides=overrides)
    assert loaded.specs == ()
    (one,) = loaded.extractions
    return one


def problems(text: str, purpose: Purpose = Purpose.RUN, **overrides: Any) -> list[str]:
    with pytest.raises(InvalidDocument) as raised:
        load(text, now=NOW, purpose=purpose, overrides=overrides)
    return [str(problem) for problem in raised.value.problems]


def test_a_document_says_all_that_the_command_line_can() -> None:
    assert wanted(WHOLE) == Wanted(
        kind="evm-rpc",
        out="s3://bucket/path",
        network="sepolia",
        providers=({"url": "https://one.example"}, {"url": "https://two.example"}),
        tables=("logs", "blocks"),
        start=5,
        end="-10",
        parallelism=3,
        verify=0.5,
        finalized_only=True,
        layout=FileLayout(file_bytes=64 << 20, compact=False),
    )


def test_what_a_document_leaves_out_is_what_the_command_line_leaves_out() -> None:
    assert wanted("kind: solana\nurl: ws://node") == Wanted(
        kind="solana", out="data", providers=({"url": "ws://node"},)
    )
    assert wanted("kind: recorded\nurl: a.ndjson").providers == ({"path": "a.ndjson"},)


@pytest.mark.parametrize(
    ("text", "end", "endless"),
    [
        ("", None, False),
        ("end_block: latest", "latest", False),
        ("end_block: 7", "7", False),
        ("end_block: '-7'", "-7", False),
        ("end_block: none", None, True),
    ],
)
def test_no_last_block_is_another_thing_than_none_said(
    text: str, end: str | None, endless: bool
) -> None:
    found = wanted(f"kind: solana\nurl: ws://node\n{text}")

    assert (found.end, found.endless) == (end, endless)


def test_a_manifest_is_a_document_that_reads_from_all_providers_of_its_network() -> None:
    manifest = "kind: evm-rpc\nnetwork: mainnet\ntables: {blocks: {}, logs: {network: mainnet}}"

    found = wanted(manifest)

    assert (found.network, found.tables, found.providers) == ("mainnet", ("blocks", "logs"), ())


def test_providers_are_named_or_written_out() -> None:
    text = (
        "kind: evm-rpc\nnetwork: a\nproviders: [infura, {url: 'https://n/${K}', timeout_secs: 3}]"
    )

    assert wanted(text).providers == ("infura", {"url": "https://n/${K}", "timeout_secs": 3})


def test_fields_given_beside_a_document_take_the_place_of_its_own() -> None:
    found = wanted(WHOLE, end_block="latest", tables='["blocks"]', parallelism="1")

    assert (found.end, found.tables, found.parallelism) == ("latest", ("blocks",), 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: evm-rpc", ["line 1: url: missing (legal: where to read from)"]),
        (
            "kind: evm-rpc\nurl: a\nend_block: 4\nstart_block: 5",
            ["line 3: end_block: the range ends before it starts (found: 4; legal: 5 or more)"],
        ),
        (
            "kind: solana\nurl: a\ntables:\n  - blocks\n  - messages",
            ["line 4: tables[0]: solana has no such table (found: blocks; legal: block_headers, "],
        ),
        (
            "kind: recorded\nurl: a\ntables: {trees: {}}",
            ["line 3: tables.trees: no chain has such a table"],
        ),
        (
            "kind: evm-rpc\nurl: a\nchain: solana",
            ["line 3: chain: blocks of kind evm-rpc are of another chain"],
        ),
        (
            "kind: evm-rpc\nurl: a\nproviders: [b]\nnetwork: c",
            ["line 3: providers: `url` says already where to read from"],
        ),
        ("kind: evm-rpc\nproviders: [b]", ["line 1: network: missing"]),
        ("kind: recorded\nurl: [a, b]", ["line 2: url: a recording is one file or one folder"]),
        (
            "kind: evm-rpc\nurl: 7\ntables: blocks\nverify: 2\nends_block: 1",
            [
                "line 2: url: must be text, or a list of texts, not a number",
                "line 3: tables: must be a list of names, or a mapping, not text",
                "line 4: verify: not a share of blocks",
                "line 5: ends_block: an extraction has no field `ends_block`",
            ],
        ),
        ("kind: manifest\ntables: {}", ["line 1: kind: made of other datasets"]),
        ("kind: evm\nurl: a", ["line 1: kind: not one that runs here (found: evm; legal: Job, "]),
    ],
)
def test_all_that_is_wrong_is_told_with_its_line(text: str, told: list[str]) -> None:
    found = problems(text)

    assert len(found) == len(told)
    assert [(one, words) for one, words in zip(found, told, strict=True) if words not in one] == []


def test_a_field_that_an_extraction_has_not_cannot_be_set() -> None:
    (told,) = problems(WHOLE, end_bloc="1")

    assert "--set end_bloc: no field of an extraction" in told
    assert "did you mean `end_block`?" in told


@pytest.mark.parametrize("purpose", [Purpose.SUBMIT, Purpose.APPLY])
def test_who_hands_an_extraction_in_is_told_what_to_do_instead(purpose: Purpose) -> None:
    (told,) = problems(WHOLE, purpose)

    assert "`jobyard run` extracts here, `jobyard dataset deploy` has workers do it" in told


def test_jobs_and_extractions_may_stand_in_one_file() -> None:
    text = f"name: a\ncommand: [x]\n---\n{WHOLE}"

    loaded = load(text, now=NOW, purpose=Purpose.RUN)

    assert [spec.name for spec in loaded.specs] == ["a"]
    assert [one.kind for one in loaded.extractions] == ["evm-rpc"]


def test_the_tables_that_documents_may_name_are_those_of_the_chains() -> None:
    assert {str(chain): set(names) for chain, names in TABLES.items()} == {
        chain: set(tables) for chain, tables in CATALOGUE.items()
    }


@pytest.mark.parametrize(
    "text", [WHOLE, "kind: recorded\nurl: a", (Path(__file__).parents[3] / "examples/chain.yaml")]
)
def test_the_schema_accepts_what_is_read(text: str | Path) -> None:
    given = text if isinstance(text, str) else text.read_text()
    wanted(given)
    (document,) = read(given)

    jsonschema.validate(document.value, schemas()["extraction"])


@pytest.mark.parametrize(
    "text", ["kind: x\nurl: a", "kind: evm-rpc\nurl: 3", "kind: evm-rpc\nurl: a\nother: 1"]
)
def test_the_schema_refuses_what_is_refused(text: str) -> None:
    problems(text)
    (document,) = read(text)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document.value, schemas()["extraction"])
