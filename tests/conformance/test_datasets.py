"""What a store promises of manifests, datasets and providers, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobyard.core.dataset import ManifestRecord
from jobyard.errors import (
    CannotDeleteLatest,
    DatasetNotFound,
    ManifestLinked,
    ManifestNotFound,
)
from jobyard.spec.manifest import manifest_hash

if TYPE_CHECKING:
    from jobyard.core.dataset import DatasetRecord
    from jobyard.testing.stage import Stage

ETH = ("_", "eth")


def manifest(network: str = "mainnet", **more: Any) -> ManifestRecord:
    value = {"kind": "evm-rpc", "network": network, "tables": {"blocks": {}}, **more}
    return ManifestRecord(manifest_hash(value), "evm-rpc", value)


def register(
    stage: Stage, given: ManifestRecord | str, version: str | None = None, name: Any = ETH
) -> DatasetRecord:
    return stage.do(stage.store.register_dataset(name, given, version)).dataset


def hashes(stage: Stage) -> list[str]:
    return [line.hash for line in stage.do(stage.store.manifests())]


def test_a_manifest_is_kept_once_and_comes_back_as_it_was(stage: Stage) -> None:
    first, other = manifest(start_block=7), manifest("sepolia")
    for each in (first, other, first):
        stage.do(stage.store.add_manifest(each))

    assert stage.do(stage.store.manifest(first.hash)) == first
    assert hashes(stage) == sorted([first.hash, other.hash])


def test_manifests_are_listed_page_by_page_with_how_many_datasets_have_them(stage: Stage) -> None:
    records = sorted((manifest(f"n{at}") for at in range(5)), key=lambda record: record.hash)
    for record in records:
        stage.do(stage.store.add_manifest(record))
    register(stage, records[2].hash, "1.0.0")
    register(stage, records[2].hash, name=("a", "b"))

    first = stage.do(stage.store.manifests(limit=3))
    rest = stage.do(stage.store.manifests(after=first[-1].hash, limit=3))

    assert [(line.hash, line.datasets) for line in (*first, *rest)] == [
        (record.hash, 2 if at == 2 else 0) for at, record in enumerate(records)
    ]
    assert stage.do(stage.store.datasets_of_manifest(records[2].hash)) == [
        ("_", "eth", "1.0.0"), ("_", "eth", "dev"), ("a", "b", "dev"),
    ]  # fmt: skip


def test_a_manifest_that_is_not_there_is_told_by_its_hash(stage: Stage) -> None:
    for ask in (stage.store.manifest, stage.store.datasets_of_manifest):
        with pytest.raises(ManifestNotFound, match="ab"):
            stage.do(ask("ab"))
    with pytest.raises(ManifestNotFound):
        register(stage, "ab")
    with pytest.raises(DatasetNotFound):
        stage.do(stage.store.dataset(ETH))


def test_a_manifest_that_a_dataset_has_stays_and_any_other_can_go(stage: Stage) -> None:
    linked, loose = manifest(), manifest("sepolia")
    register(stage, linked)
    stage.do(stage.store.add_manifest(loose))

    with pytest.raises(ManifestLinked, match=linked.hash):
        stage.do(stage.store.delete_manifest(linked.hash))
    for _ in range(2):
        stage.do(stage.store.delete_manifest(loose.hash))

    assert hashes(stage) == [linked.hash]


def test_pruning_takes_the_manifests_that_no_dataset_has(stage: Stage) -> None:
    linked = manifest()
    register(stage, linked)
    for at in range(3):
        stage.do(stage.store.add_manifest(manifest(f"n{at}")))

    assert stage.do(stage.store.prune_manifests()) == 3
    assert stage.do(stage.store.prune_manifests()) == 0
    assert hashes(stage) == [linked.hash]


def test_registering_twice_is_registering_once(stage: Stage) -> None:
    first = register(stage, manifest(), "1.0.0")
    stage.clock.advance(5)

    assert register(stage, manifest(), "1.0.0") == first
    assert register(stage, manifest().hash, "1.0.0") == first


def test_latest_is_the_highest_version_and_dev_what_came_last(stage: Stage) -> None:
    old, new = manifest(), manifest("sepolia")
    order = ["1.9.0", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0"]
    for version in order:
        register(stage, old, version)
    record = register(stage, new, "0.1.0")

    assert [tag.name for tag in record.versions] == [*reversed(order), "0.1.0"]
    found = {
        word: stage.do(stage.store.revision(ETH, word)).manifest.hash
        for word in ("latest", "dev", "1.9.0", "0.1.0", old.hash)
    }
    assert found == {
        "latest": old.hash, "dev": new.hash, "1.9.0": old.hash, "0.1.0": new.hash,
        old.hash: old.hash,
    }  # fmt: skip


def test_latest_is_what_came_last_while_there_is_no_version(stage: Stage) -> None:
    register(stage, manifest())
    register(stage, manifest("sepolia"))

    assert stage.do(stage.store.revision(ETH, "latest")).manifest == manifest("sepolia")


def test_a_version_that_means_another_manifest_now_tells_since_when(stage: Stage) -> None:
    before = register(stage, manifest(), "1.0.0").versions[0]
    stage.clock.advance(5)

    after = register(stage, manifest("sepolia"), "1.0.0").versions[0]

    assert after.hash == manifest("sepolia").hash
    assert after.created_at == before.created_at
    assert after.updated_at == before.updated_at + 5_000_000
    # What it meant before is still a revision of the dataset.
    assert stage.do(stage.store.revision(ETH, before.hash)).manifest == manifest()


@pytest.mark.parametrize("word", ["2.0.0", "f" * 64])
def test_a_revision_that_is_not_there_is_not_found(stage: Stage, word: str) -> None:
    register(stage, manifest(), "1.0.0")

    with pytest.raises(DatasetNotFound, match=word):
        stage.do(stage.store.revision(ETH, word))


def test_a_manifest_of_another_dataset_is_no_revision_of_this_one(stage: Stage) -> None:
    register(stage, manifest())
    register(stage, manifest("sepolia"), name=("_", "other"))

    with pytest.raises(DatasetNotFound):
        stage.do(stage.store.revision(ETH, manifest("sepolia").hash))


def test_datasets_are_listed_page_by_page_by_their_names(stage: Stage) -> None:
    names = [("_", "b"), ("a", "z"), ("a", "_a"), ("b", "a"), ("_", "a")]
    for name in names:
        register(stage, manifest(), "1.0.0", name)

    pages: list[Any] = [("", "")]
    listed: list[Any] = []
    while len(pages) < 6 and (page := stage.do(stage.store.datasets(after=pages[-1], limit=2))):
        listed += page
        pages.append((page[-1].namespace, page[-1].name))

    assert [(record.namespace, record.name) for record in listed] == sorted(names)
    assert all([tag.name for tag in record.versions] == ["1.0.0"] for record in listed)


def test_a_deleted_dataset_takes_along_only_the_manifests_that_no_other_has(stage: Stage) -> None:
    mine, shared = manifest(), manifest("sepolia")
    register(stage, mine, "1.0.0")
    register(stage, shared)
    register(stage, shared, name=("_", "other"))

    for _ in range(2):
        stage.do(stage.store.delete_dataset(ETH))

    assert hashes(stage) == [shared.hash]
    assert [record.name for record in stage.do(stage.store.datasets())] == ["other"]


def test_any_version_but_the_highest_can_be_deleted(stage: Stage) -> None:
    for version in ("1.0.0", "2.0.0"):
        register(stage, manifest(), version)

    with pytest.raises(CannotDeleteLatest):
        stage.do(stage.store.delete_version(ETH, "2.0.0"))
    for _ in range(2):
        stage.do(stage.store.delete_version(ETH, "1.0.0"))
    stage.do(stage.store.delete_version(("_", "nobody"), "1.0.0"))

    assert [tag.name for tag in stage.do(stage.store.dataset(ETH)).versions] == ["2.0.0"]
    assert stage.do(stage.store.revision(ETH, "dev")).manifest == manifest()


def test_registrations_at_the_same_time_all_count(stage: Stage) -> None:
    results = stage.together(
        *(stage.store.register_dataset(ETH, manifest(), f"1.{at}.0") for at in range(8))
    )

    assert not [result for result in results if isinstance(result, BaseException)]
    assert len(stage.do(stage.store.dataset(ETH)).versions) == 8


def test_a_provider_is_kept_as_it_was_written_until_another_takes_its_name(stage: Stage) -> None:
    first = {"kind": "evm-rpc", "network": "mainnet", "url": "https://a/${KEY}"}
    stage.do(stage.store.put_provider("b", first))
    stage.do(stage.store.put_provider("a", {"kind": "solana"}))
    stage.do(stage.store.put_provider("a", first))

    found = stage.do(stage.store.providers())

    assert [(record.name, record.config) for record in found] == [("a", first), ("b", first)]
    assert (found[0].kind, found[0].network) == ("evm-rpc", "mainnet")
    for _ in range(2):
        stage.do(stage.store.delete_provider("a"))
    assert [record.name for record in stage.do(stage.store.providers())] == ["b"]


NEIGHBOURS = (("_", "other"), ("a", "eth"))
"""Datasets that have a part of their name in common with ``_/eth``."""


def test_what_becomes_of_a_dataset_leaves_its_neighbours_alone(stage: Stage) -> None:
    for name in (ETH, *NEIGHBOURS):
        for version in ("1.0.0", "2.0.0"):
            register(stage, manifest("-".join(name).strip("_-")), version, name)
    before = [stage.do(stage.store.dataset(name)) for name in NEIGHBOURS]

    stage.do(stage.store.delete_version(ETH, "1.0.0"))
    stage.do(stage.store.delete_dataset(ETH))

    assert [stage.do(stage.store.dataset(name)) for name in NEIGHBOURS] == before
    for name in NEIGHBOURS:
        found = stage.do(stage.store.revision(name, "1.0.0"))
        assert stage.do(stage.store.revision(name, found.manifest.hash)).manifest == found.manifest


def test_a_manifest_of_a_neighbour_is_no_revision(stage: Stage) -> None:
    register(stage, manifest())
    for name in NEIGHBOURS:
        register(stage, manifest("sepolia"), name=name)

    with pytest.raises(DatasetNotFound):
        stage.do(stage.store.revision(ETH, manifest("sepolia").hash))


def test_a_manifest_names_only_the_tags_that_mean_it(stage: Stage) -> None:
    old, new = manifest(), manifest("sepolia")
    register(stage, old, "1.0.0")
    register(stage, new, "2.0.0")
    register(stage, old, "1.5.0", ("_", "other"))
    register(stage, old, name=("a", "eth"))
    register(stage, new, "3.0.0", ("a", "eth"))

    assert stage.do(stage.store.datasets_of_manifest(old.hash)) == [
        ("_", "eth", "1.0.0"), ("_", "other", "1.5.0"), ("_", "other", "dev"), ("a", "eth", None),
    ]  # fmt: skip
