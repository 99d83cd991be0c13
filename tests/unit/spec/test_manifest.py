"""Manifests: what may stand in them, all that is wrong at once, and their hash."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from jobyard.chain.catalogue import schemas
from jobyard.errors import InvalidManifest, InvalidPath, ManifestContradicts
from jobyard.spec.manifest import generated, load_manifest, manifest_hash, manifest_of
from jobyard.spec.naming import is_version, precedence
from jobyard.spec.references import is_pinned, reference
from jobyard.spec.table_sql import circular, named_tables

RAW: dict[str, Any] = {"kind": "evm-rpc", "network": "mainnet", "tables": {"blocks": {}}}
DERIVED: dict[str, Any] = {
    "kind": "manifest",
    "dependencies": {"eth": "_/eth@1.0.0"},
    "tables": {
        "big": {"input": {"sql": "SELECT * FROM eth.transactions WHERE value <> '0'"}},
        "calls": {"input": {"sql": "select b.to from self.big as b join eth.blocks on true"}},
    },
}


def problems(value: Any, kind: type[InvalidManifest] = InvalidManifest) -> list[str]:
    with pytest.raises(kind) as caught:
        load_manifest(value, schemas())
    assert type(caught.value) is kind
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


@pytest.mark.parametrize("kind", ["evm-rpc", "solana", "recorded"])
def test_what_is_generated_is_a_manifest_of_all_tables_with_their_columns(kind: str) -> None:
    made = generated(kind, "mainnet", schemas(), start_block=5, finalized_blocks_only=True)

    read = load_manifest(made, schemas())

    chain = "solana" if kind == "solana" else "evm"
    assert (read.kind, read.chain, read.network, read.start) == (kind, chain, "mainnet", 5)
    assert read.finalized_only
    assert set(read.tables) == set(schemas()[chain])
    assert made["tables"][read.tables[0]]["schema"] == schemas()[chain][read.tables[0]]
    assert manifest_of(made) == read


def test_only_some_tables_and_recorded_blocks_of_solana_can_be_generated() -> None:
    made = generated("recorded", "x", schemas(), chain="solana", tables=("messages",))

    assert load_manifest(made, schemas()).tables == ("messages",)


def test_the_hash_is_that_of_canonical_json_whatever_the_order_of_members() -> None:
    canonical = b'{"a":[1,"\xc3\xa4"],"b":null}'

    assert manifest_hash({"b": None, "a": [1, "ä"]}) == hashlib.sha256(canonical).hexdigest()


def test_all_problems_of_a_raw_manifest_are_told_at_once() -> None:
    wrong = {
        "kind": "evm-rpc", "network": "no spaces", "start_block": -1, "colour": "red",
        "tables": {"blocks": {"size": 1}, "9": {}},
    }  # fmt: skip

    found = problems(wrong)

    assert [line.partition(":")[0] for line in sorted(found)] == [
        "colour", "network", "start_block", "tables.9", "tables.blocks.size",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (None, ""),
        ([RAW], ""),
        ({}, "kind"),
        ({**RAW, "kind": "firehose"}, "kind"),
        ({**RAW, "kind": 7}, "kind"),
        ({"kind": "evm-rpc", "tables": {"blocks": {}}}, "network"),
        ({**RAW, "tables": ["blocks"]}, "tables"),
        ({**RAW, "start_block": 2**63}, "start_block"),
        ({**RAW, "finalized_blocks_only": "yes"}, "finalized_blocks_only"),
    ],
)
def test_what_is_no_manifest_is_told_with_its_place(value: Any, path: str) -> None:
    assert problems(value)[0].partition(":")[0] == path


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"tables": {"block_headers": {}}}, "tables.block_headers"),
        ({"tables": {}}, "tables"),
        ({"chain": "solana"}, "chain"),
        ({"tables": {"blocks": {"network": "sepolia"}}}, "tables.blocks.network"),
        ({"tables": {"blocks": {"schema": {"arrow": {"fields": []}}}}}, "tables.blocks.schema"),
    ],
)
def test_tables_are_those_of_the_chain(changes: dict[str, Any], path: str) -> None:
    found = problems({**RAW, **changes}, ManifestContradicts)

    assert [line.partition(":")[0] for line in found] == [path]


def test_a_derived_manifest_names_what_it_builds_on() -> None:
    read = load_manifest(DERIVED, schemas())

    assert (read.kind, read.tables) == ("manifest", ("big", "calls"))
    assert read.dependencies == (("eth", "_/eth@1.0.0"),)
    assert (read.network, read.start) == (None, None)


@pytest.mark.parametrize(
    "version", ["_/eth@latest", "_/eth@dev", "_/eth", "eth@1.0.0", "_/Eth@1.0.0", "_/eth@1.0"]
)
def test_a_dependency_is_a_revision_that_stays_what_it_is(version: str) -> None:
    assert problems({**DERIVED, "dependencies": {"eth": version}})[0].startswith("dependencies.eth")


def derived(**tables: str) -> dict[str, Any]:
    return {**DERIVED, "tables": {name: {"input": {"sql": sql}} for name, sql in tables.items()}}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"a": "DROP TABLE x"}, ["not a SELECT", "names no table"]),
        ({"a": "SELECT 1"}, ["names no table"]),
        ({"a": "SELECT 1 -- FROM eth.blocks"}, ["names no table"]),
        ({"a": "SELECT * FROM other.blocks"}, ["not one of the dependencies"]),
        ({"a": "SELECT * FROM self.b"}, ["no such table"]),
        ({"a": "SELECT * FROM self.a"}, ["in a circle"]),
        (
            {
                "a": "SELECT * FROM self.b", "b": "SELECT * FROM eth.x, self.c",
                "c": "SELECT * FROM self.a", "d": "SELECT * FROM self.a",
            },
            ["in a circle"] * 3,
        ),
    ],
)  # fmt: skip
def test_sql_that_cannot_work_is_refused(tables: dict[str, str], words: list[str]) -> None:
    found = problems(derived(**tables), ManifestContradicts)

    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))


def test_tables_are_found_behind_from_and_join_and_nowhere_else() -> None:
    sql = """
    WITH x AS (SELECT * FROM a.one /* FROM no.no */ WHERE t = 'FROM no.no')
    SELECT extract(day FROM t) FROM c.three AS t, d.four, x INNER JOIN "b"."Two" ON true
    LEFT JOIN (SELECT * FROM cat.e.five) AS f ON true
    """

    assert {found for found in named_tables(sql) if found[0]} == {
        ("a", "one"), ("b", "Two"), ("c", "three"), ("d", "four"), ("cat.e", "five"),
    }  # fmt: skip


def test_only_what_lies_on_a_circle_is_circular() -> None:
    waits = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set(), "e": {"d", "c"}}

    assert set(circular(waits)) == {"b", "c"}


def test_a_reference_is_read_with_what_may_be_left_out() -> None:
    assert reference("a_1/eth@1.0.0") == ("a_1", "eth", "1.0.0")
    assert reference("eth") == ("_", "eth", "latest")
    assert str(reference("eth@dev")) == "_/eth@dev"


@pytest.mark.parametrize(
    "text",
    ["", "/", "a/", "/b", "A/b", "a/B", "a/9b", "a/b/c", "a/b@", "a/b@1", "a/b@ab", "a/b@1.0.0@2"],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidPath):
        reference(text)
    assert not is_pinned(text)


def test_versions_are_ordered_as_semver_says() -> None:
    ordered = [
        "0.9.9", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1",
        "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0",
        "1.0.1", "1.10.0", "2.0.0",
    ]  # fmt: skip

    assert all(is_version(version) for version in ordered)
    assert sorted(set(ordered), key=precedence) == ordered
    assert precedence("1.0.0+a-b")[:-1] == precedence("1.0.0+c")[:-1]


@pytest.mark.parametrize("text", ["1", "1.0", "01.0.0", "1.0.0-", "1.0.0-01", "v1.0.0", "1.0.0\n"])
def test_what_is_no_version_is_refused(text: str) -> None:
    assert not is_version(text)
