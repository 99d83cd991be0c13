"""Manifests, datasets and providers: register, find, delete; and the jobs that extract."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobyard.core.dataset import (
    DatasetRecord,
    ManifestLine,
    ManifestRecord,
    ProviderRecord,
    Revision,
    Tag,
)
from jobyard.errors import (
    ActiveJobConflict,
    CannotDeleteLatest,
    DatasetNotFound,
    Internal,
    LeaseLost,
    ManifestLinked,
    ManifestNotFound,
    WorkerNotAvailable,
)
from jobyard.spec.encode import canonical, decode
from jobyard.spec.naming import DEV, LATEST, is_manifest_hash, precedence
from jobyard.store.base import Submission
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import job_of, spec_of
from jobyard.store.transactions import explain
from jobyard.store.transactions.deciding import read_now
from jobyard.store.transactions.submit import active_job, submit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.core.job import JobSpec
    from jobyard.core.records import Job
    from jobyard.store.datasets import Name
    from jobyard.store.query import Row

ORPHANS = 500
"""Manifests that one transaction prunes."""
_ENDING = ("STOP_REQUESTED", "STOPPING")


def add_manifest(manifest: ManifestRecord) -> Transaction[None]:
    """Keep a manifest; one that is there already stays."""
    now = yield from read_now()
    text = canonical(manifest.value)
    yield Query("insert_manifest", (manifest.hash, manifest.kind, text, now))


def manifest(manifest_hash: str) -> Transaction[ManifestRecord]:
    """Read a manifest.

    Raises:
        ManifestNotFound: there is none of this hash.
    """
    return _manifest_of((yield Query("find_manifest", (manifest_hash,))), manifest_hash)


def _manifest_of(rows: list[Row], manifest_hash: str) -> ManifestRecord:
    for found, kind, text in rows:
        return ManifestRecord(found, kind, json.loads(text))
    raise ManifestNotFound(manifest_hash)


def manifests(after: str, limit: int) -> Transaction[list[ManifestLine]]:
    """List manifests in the order of their hashes."""
    return [ManifestLine(*row) for row in (yield Query("list_manifests", (after, limit)))]


def delete_manifest(manifest_hash: str) -> Transaction[None]:
    """Delete a manifest; one that is not there is deleted already.

    Raises:
        ManifestLinked: a dataset has it.
    """
    if not (yield Query("hold_manifest", (manifest_hash,))):
        return
    if not (yield Query("delete_manifest", (manifest_hash,))):
        raise ManifestLinked(manifest_hash)


def prune_manifests() -> Transaction[int]:
    """Delete some of the manifests that no dataset has; tell how many."""
    count = 0
    for row in (yield Query("orphaned_manifests", (ORPHANS,))):
        count += len((yield Query("delete_manifest", (row[0],))))
    return count


def datasets_of_manifest(manifest_hash: str) -> Transaction[list[tuple[str, str, str | None]]]:
    """Name the datasets that have a manifest: namespace, name, and a tag that means it, if any.

    Raises:
        ManifestNotFound: there is none of this hash.
    """
    yield from manifest(manifest_hash)
    rows = yield Query("datasets_of_manifest", (manifest_hash,))
    return [(namespace, name, tag) for namespace, name, tag in rows]


def register(name: Name, given: ManifestRecord | str, version: str | None) -> Transaction[Revision]:
    """Have a dataset mean a manifest from now on, as ``dev`` and as a version if one is given.

    Raises:
        ManifestNotFound: it was given by its hash, and there is none.
    """
    now = yield from read_now()
    yield from _lock(name)
    if isinstance(given, ManifestRecord):
        yield from add_manifest(given)
    manifest_hash = given if isinstance(given, str) else given.hash
    held = _manifest_of((yield Query("hold_manifest", (manifest_hash,))), manifest_hash)
    yield Query("link_manifest", (*name, manifest_hash, now))
    for tag in (DEV, version):
        if tag is not None:
            yield Query("put_tag", (*name, tag, manifest_hash, now))
    return Revision((yield from dataset(name)), version or DEV, held)


def _lock(name: Name) -> Transaction[None]:
    """Let nobody else change this dataset before this transaction ends."""
    yield Query("lock_names", ([f"dataset {'/'.join(name)}"],))


def dataset(name: Name) -> Transaction[DatasetRecord]:
    """Read a dataset.

    Raises:
        DatasetNotFound: there is none of this name.
    """
    found = yield from _with_tags([name])
    if not found:
        raise DatasetNotFound("/".join(name))
    return found[0]


def _with_tags(names: Sequence[Name]) -> Transaction[list[DatasetRecord]]:
    """Read the datasets of these names, as far as there are any."""
    if not names:
        return []
    args = ([space for space, _ in names], [own for _, own in names])
    tags: dict[Name, list[Tag]] = {}
    for namespace, name, *tag in (yield Query("tags_of_datasets", args)):
        tags.setdefault((namespace, name), []).append(Tag(*tag))
    return [_record(name, tags[name]) for name in names if name in tags]


def _record(name: Name, tags: Sequence[Tag]) -> DatasetRecord:
    versions = [tag for tag in tags if tag.name != DEV]
    versions.sort(key=lambda tag: precedence(tag.name), reverse=True)
    dev = next((tag for tag in tags if tag.name == DEV), None)
    return DatasetRecord(*name, versions, dev)


def datasets(after: Name, limit: int) -> Transaction[list[DatasetRecord]]:
    """List datasets in the order of their names."""
    rows = yield Query("list_datasets", (*after, limit))
    return (yield from _with_tags([(namespace, name) for namespace, name in rows]))


def revision(name: Name, word: str) -> Transaction[Revision]:
    """Find a revision of a dataset: a version, a manifest's hash, ``latest`` or ``dev``.

    Raises:
        DatasetNotFound: there is no such dataset, or it has no such revision.
    """
    record = yield from dataset(name)
    tags = {tag.name: tag.hash for tag in record.versions}
    if record.dev is not None:
        tags[DEV] = record.dev.hash
    if record.latest is not None:
        tags[LATEST] = record.latest.hash
    manifest_hash = tags.get(word)
    if is_manifest_hash(word) and (yield Query("has_manifest", (*name, word))):
        manifest_hash = word
    if manifest_hash is None:
        raise DatasetNotFound(record.full_name, word)
    return Revision(record, word, (yield from manifest(manifest_hash)))


def delete_dataset(name: Name) -> Transaction[None]:
    """Delete a dataset with its tags, and the manifests that no other one has; not its data."""
    yield from _lock(name)
    yield Query("delete_tags", name)
    for (manifest_hash,) in (yield Query("unlink_manifests", name)):
        yield Query("delete_manifest", (manifest_hash,))


def delete_version(name: Name, version: str) -> Transaction[None]:
    """Delete a version of a dataset; one that is not there is deleted already.

    Raises:
        CannotDeleteLatest: it is the highest one.
    """
    yield from _lock(name)
    try:
        record = yield from dataset(name)
    except DatasetNotFound:
        return
    if record.versions and record.versions[0].name == version:
        raise CannotDeleteLatest(record.full_name, version)
    yield Query("delete_tag", (*name, version))


def put_provider(name: str, config: Mapping[str, Any]) -> Transaction[None]:
    """Keep a provider, in place of an older one of its name."""
    now = yield from read_now()
    yield Query("put_provider", (name, canonical(config), now))


def providers() -> Transaction[list[ProviderRecord]]:
    """List the providers that the store keeps, by name."""
    rows = yield Query("list_providers")
    return [ProviderRecord(name, json.loads(config)) for name, config in rows]


def delete_provider(name: str) -> Transaction[None]:
    """Delete a provider; one that is not there is deleted already."""
    yield Query("delete_provider", (name,))


def deploy(spec: JobSpec, trigger: str) -> Transaction[tuple[Job, bool]]:
    """Make a job that extracts, unless it is there; tell also whether there is one to claim.

    Raises:
        ActiveJobConflict: another job of the revision is not over.
        WorkerNotAvailable: the worker that is to have it is not alive.
    """
    extract = spec.extract
    if extract is None:
        raise Internal(f"`{spec.name}` extracts nothing")
    active = yield from active_job(extract)
    if active is None:
        if spec.worker_id is not None:
            yield from check_worker(spec.worker_id)
        [[job]], claimable = yield from submit([Submission([spec], trigger)])
        return job, claimable
    job_id, status = active
    [(_, _, _, text)] = yield Query("specs_of", ([job_id],))
    fields = _differing(decode(spec_of(text)), spec)
    if fields or status in _ENDING:
        raise ActiveJobConflict(extract.dataset, job_id, status, fields)
    [row] = yield Query("jobs_by_id", ([job_id],))
    return job_of(row), False


def _differing(old: JobSpec, new: JobSpec) -> list[str]:
    """Name in what two deployments differ; what somebody calls the revision is nothing of it."""
    before, after = old.extract, new.extract
    if before is None or after is None:
        return ["extract"]
    words = {"start": "start_block", "end": "end_block"}
    names = [
        words.get(name, name)
        for name in before.__slots__
        if name != "version" and getattr(before, name) != getattr(after, name)
    ]
    return names + ["worker_id"] * (old.worker_id != new.worker_id)


def check_worker(wanted: str) -> Transaction[None]:
    """Make sure that a job may have a worker, or one of those whose ids begin so.

    Raises:
        WorkerNotAvailable: none of them is alive.
    """
    for worker in (yield from explain.workers()):
        beginning = wanted.removesuffix("*")
        if worker.id == wanted or (beginning != wanted and worker.id.startswith(beginning)):
            return
    raise WorkerNotAvailable(wanted)


def fix_stop(session: str, attempt_id: int, job_id: int, stop: int) -> Transaction[int]:
    """Note the block behind the last one of a job; tell the one that counts.

    Raises:
        LeaseLost: the worker does not speak for this attempt.
    """
    if not (yield Query("spoken_for", (session, [attempt_id]))):
        raise LeaseLost(f"attempt {attempt_id} is no longer this worker's")
    yield Query("fix_stop", (attempt_id, stop))
    found = yield from stop_of(job_id)
    if found is None:
        raise LeaseLost(f"attempt {attempt_id} is of no job that is there")
    return found


def stop_of(job_id: int) -> Transaction[int | None]:
    """Tell the block behind the last one of a job, None as long as nobody has found it out."""
    for (stop,) in (yield Query("stop_of", (job_id,))):
        return None if stop is None else int(stop)
    return None
