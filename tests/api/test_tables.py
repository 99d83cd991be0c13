"""Revisions of tables and their files over HTTP: statuses, codes, shapes, what becomes of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.hands import Hand, hand, on_the_store
from tests.api.test_datasets import HASH, MANIFEST, code, deploy, register
from tests.data.files import left, put

from jobyard.core.extraction import Wish

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.api.conftest import Serving

    from jobyard.client import Client
    from jobyard.store.base import Claim, Store

ETH = {"dataset": "_/eth@dev", "table_name": "blocks"}
AT = "/datasets/_/eth/versions/dev"


@pytest.fixture
def tables(still: Serving, http: httpx.Client) -> Path:
    """The folder of the table `blocks` of a dataset that is registered."""
    register(http)
    return still.settings.state_dir / "data" / "_" / "eth" / "blocks"


def keep(http: httpx.Client, path: Path, **more: Any) -> int:
    answer = http.post("/revisions", json={**ETH, "path": str(path), **more})
    assert answer.status_code == 200, answer.text
    number: int = answer.json()["location_id"]
    return number


def activate(http: httpx.Client, number: int, **more: Any) -> httpx.Response:
    return http.post(f"/revisions/{number}/activate", json={**ETH, **more})


def restored(http: httpx.Client, folder: Path, *spans: tuple[int, int]) -> int:
    """Make a folder of files a revision that has them."""
    for start, stop in spans:
        put(folder, start, stop)
    number = keep(http, folder)
    assert http.post(f"/revisions/{number}/restore").json()["total_files"] == len(spans)
    return number


def writing(still: Serving, http: httpx.Client, folder: Path) -> tuple[Hand, Claim, int]:
    """Have a job write a table, in this folder."""
    job_id = deploy(http, "dev", end_block="99").json()["job_id"]
    worker = hand(still)
    claim = worker.start()

    async def open_tables(store: Store) -> None:
        extract = (await store.job(job_id)).spec["extract"]
        from jobyard.core.extract import Extract

        known = {name: extract[name] for name in Extract.__slots__ if name in extract}
        wanted = Extract(**{**known, "tables": tuple(known["tables"])})
        wishes = [Wish("blocks", str(folder))]
        await store.open_tables(worker.session, claim.attempt_id, job_id, wanted, wishes)

    on_the_store(still, open_tables)
    return worker, claim, job_id


def test_a_folder_becomes_a_revision_and_its_files_its_table(
    http: httpx.Client, tables: Path
) -> None:
    number = keep(http, tables / "a")
    put(tables / "a", 0, 10)
    put(tables / "a", 10, 30)
    one = http.get(f"/revisions/{number}").json()
    assert (one["active"], one["writer"], one["current_block"]) == (False, None, None)
    assert one["metadata"] == {
        "dataset_namespace": "_", "dataset_name": "eth", "manifest_hash": HASH,
        "table_name": "blocks",
    }  # fmt: skip

    answer = http.post(f"/revisions/{number}/restore")

    assert (answer.status_code, answer.json()) == (200, {"total_files": 2, "damaged": []})
    assert activate(http, number).json()["active"]
    (listed,) = http.get("/revisions").json()
    assert listed == http.get(f"/revisions/{number}").json()
    assert (listed["path"], listed["url"]) == (str(tables / "a"), (tables / "a").as_uri())
    assert (listed["start_block"], listed["current_block"], listed["rows"]) == (0, 29, 30)
    assert keep(http, tables / "a") == number


def test_a_path_may_be_one_below_the_folder_of_tables(http: httpx.Client, tables: Path) -> None:
    assert keep(http, tables / "a") == keep(http, "_/eth/blocks/a")  # type: ignore[arg-type]
    assert keep(http, "s3://bucket/a/") == keep(http, "s3://bucket/a")  # type: ignore[arg-type]


def test_revisions_are_listed_in_pages(http: httpx.Client, tables: Path) -> None:
    numbers = [keep(http, tables / name) for name in "abc"]
    activate(http, numbers[1])

    def listed(**chosen: Any) -> list[int]:
        return [one["id"] for one in http.get("/revisions", params=chosen).json()]

    assert listed() == numbers
    assert listed(limit=2) + listed(after=numbers[1]) == numbers
    assert listed(active=True) == [numbers[1]]
    assert listed(active="false") == [numbers[0], numbers[2]]


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/revisions?limit=-1", (400, "INVALID_QUERY_PARAMETERS")),
        ("GET", "/revisions?limit=0", (400, "INVALID_QUERY_PARAMETERS")),
        ("GET", "/revisions?active=maybe", (400, "INVALID_QUERY_PARAMETERS")),
        ("GET", "/revisions?activ=true", (400, "INVALID_QUERY_PARAMETERS")),
        ("GET", "/revisions/x", (400, "INVALID_PATH_PARAMETERS")),
        ("GET", "/revisions/0/files", (400, "INVALID_PATH_PARAMETERS")),
        ("DELETE", "/revisions/-1", (400, "INVALID_PATH_PARAMETERS")),
        ("GET", "/revisions/7", (404, "REVISION_NOT_FOUND")),
        ("GET", "/revisions/7/files", (404, "REVISION_NOT_FOUND")),
        ("DELETE", "/revisions/7", (404, "REVISION_NOT_FOUND")),
        ("DELETE", "/revisions/7/truncate", (404, "REVISION_NOT_FOUND")),
        ("DELETE", "/revisions/7/prune", (404, "REVISION_NOT_FOUND")),
        ("POST", "/revisions/7/restore", (404, "REVISION_NOT_FOUND")),
        ("DELETE", "/revisions/7/truncate?concurrency=0", (400, "INVALID_QUERY_PARAM")),
        ("DELETE", "/revisions/7/prune?before_block=-1", (400, "INVALID_QUERY_PARAM")),
        ("DELETE", "/revisions/7/prune?gc_delay_secs=x", (400, "INVALID_QUERY_PARAM")),
        ("GET", "/files/x", (400, "INVALID_FILE_ID")),
        ("GET", "/files/7", (404, "FILE_NOT_FOUND")),
        ("POST", f"{AT}/tables/9x/restore", (400, "INVALID_PATH")),
        ("POST", f"{AT}/tables/blocks/restore", (404, "DATASET_NOT_FOUND")),
        ("POST", f"{AT}/restore", (404, "DATASET_NOT_FOUND")),
    ],
)
def test_what_is_wrong_or_not_there_is_told_by_its_code(
    http: httpx.Client, method: str, path: str, wanted: tuple[int, str]
) -> None:
    assert code(http.request(method, path)) == wanted


@pytest.mark.parametrize(
    "body", [{}, {"dataset": "_/eth"}, {**ETH, "table_name": 3}, {**ETH, "path": ""}, []]
)
def test_a_body_that_names_no_table_is_refused(http: httpx.Client, body: Any) -> None:
    for path in ("/revisions", "/revisions/1/activate", "/revisions/deactivate"):
        assert code(http.post(path, json=body)) == (400, "INVALID_PAYLOAD_FORMAT")


def test_tables_and_datasets_that_are_not_there(http: httpx.Client, tables: Path) -> None:
    def asked(route: str, **more: Any) -> tuple[int, str]:
        return code(http.post(route, json={**ETH, **more}))

    path = {"path": str(tables / "a")}
    assert asked("/revisions", **path, dataset="_/sol") == (404, "DATASET_NOT_FOUND")
    assert asked("/revisions", **path, dataset="A/b@c@d") == (400, "INVALID_PATH")
    assert asked("/revisions", **path, table_name="logs") == (404, "TABLE_NOT_IN_MANIFEST")
    assert asked("/revisions/1/activate", table_name="logs") == (404, "TABLE_NOT_IN_MANIFEST")
    assert asked("/revisions/1/activate") == (404, "TABLE_NOT_REGISTERED")
    assert asked("/revisions/deactivate") == (404, "TABLE_NOT_FOUND")
    assert asked("/revisions/deactivate", table_name="logs") == (404, "TABLE_NOT_FOUND")
    keep(http, tables / "a")
    assert asked("/revisions/99/activate") == (404, "REVISION_NOT_FOUND")
    register(http, {**MANIFEST, "network": "sepolia"}, name="other")
    assert asked("/revisions", **path, dataset="_/other") == (409, "REVISION_PATH_TAKEN")


def test_files_that_a_job_would_take_for_leftovers_keep_a_revision_inactive(
    http: httpx.Client, tables: Path
) -> None:
    number = keep(http, tables / "a")
    put(tables / "a", 0, 10)

    assert code(activate(http, number)) == (409, "REVISION_NOT_RESTORED")
    http.post(f"/revisions/{number}/restore")
    assert activate(http, number).status_code == 200
    put(tables / "a", 10, 20)
    assert activate(http, number).status_code == 200


def test_an_active_revision_stays_until_it_is_deactivated(http: httpx.Client, tables: Path) -> None:
    number = restored(http, tables / "a", (0, 10))
    for _ in range(2):
        assert activate(http, number).status_code == 200
    for verb in ("", "/truncate"):
        assert code(http.delete(f"/revisions/{number}{verb}")) == (409, "REVISION_IS_ACTIVE")
    for _ in range(2):
        answer = http.post("/revisions/deactivate", json=ETH)
        assert (answer.status_code, answer.json()) == (200, {})

    assert http.delete(f"/revisions/{number}").status_code == 204
    assert code(http.delete(f"/revisions/{number}")) == (404, "REVISION_NOT_FOUND")
    assert len(left(tables / "a")) == 1
    again = keep(http, tables / "a")
    assert http.post(f"/revisions/{again}/restore").json()["total_files"] == 1


def test_what_a_job_writes_is_left_alone(still: Serving, http: httpx.Client, tables: Path) -> None:
    other = restored(http, tables / "b", (0, 10))
    worker, claim, job_id = writing(still, http, tables / "a")
    (number,) = [one["id"] for one in http.get("/revisions?active=true").json()]
    refused = (409, "WRITER_JOB_NOT_TERMINAL")

    assert http.get(f"/revisions/{number}").json()["writer"] == job_id
    assert code(activate(http, other)) == refused
    assert code(http.post("/revisions/deactivate", json=ETH)) == refused
    assert code(http.delete(f"/revisions/{number}/prune")) == refused
    assert code(http.post(f"/revisions/{number}/restore")) == refused
    location = {"location_id": number}
    assert code(http.post(f"{AT}/tables/blocks/restore", json=location)) == refused
    assert code(http.post(f"{AT}/tables/blocks/restore")) == refused
    assert http.post(f"/revisions/{other}/restore").status_code == 200

    worker.end(claim)
    on_the_store(still, lambda store: store.decide([job_id]))
    assert activate(http, other).status_code == 200


def test_a_truncated_revision_is_gone_with_its_files(http: httpx.Client, tables: Path) -> None:
    number = restored(http, tables / "a", (0, 10), (10, 20), (40, 50))
    (tables / "a" / "notes.txt").touch()

    answer = http.delete(f"/revisions/{number}/truncate", params={"concurrency": 2})

    assert (answer.status_code, answer.json()) == (200, {"files_deleted": 3})
    assert left(tables / "a") == ["notes.txt"]
    assert http.get("/revisions").json() == []


def test_files_that_cannot_be_removed_are_counted_and_left_to_the_collector(
    still: Serving, http: httpx.Client, tables: Path
) -> None:
    number = restored(http, tables / "a", (0, 10), (10, 20))
    name = left(tables / "a")[0]
    (tables / "a" / name).unlink()
    (tables / "a" / name / "inside").mkdir(parents=True)

    answer = http.delete(f"/revisions/{number}/truncate")

    assert code(answer) == (409, "FILE_METADATA_REMAINING")
    assert (answer.json()["files_deleted"], answer.json()["files_remaining"]) == (1, 1)
    due = on_the_store(still, lambda store: store.collectable(10))
    assert [one.name for one in due] == [name]


def test_a_prune_hides_what_is_not_in_the_chain(http: httpx.Client, tables: Path) -> None:
    number = restored(http, tables / "a", (0, 10), (20, 30), (40, 50))
    names = left(tables / "a")

    first = http.delete(f"/revisions/{number}/prune", params={"before_block": 30}).json()
    assert first == {"files_scheduled": 1, "gc_delay_secs": 3600}
    second = http.delete(f"/revisions/{number}/prune", params={"gc_delay_secs": 0}).json()
    assert second == {"files_scheduled": 1, "gc_delay_secs": 0}
    assert left(tables / "a") == [f".{names[1]}.retired", f".{names[2]}.retired", names[0]]


def test_a_restore_makes_the_table_what_lies_in_storage(http: httpx.Client, tables: Path) -> None:
    folder = tables / "a"
    number = restored(http, folder, (0, 10), (10, 20))
    (folder / left(folder)[0]).unlink()
    put(folder, 0, 10, at=2)
    put(folder, 30, 40, at=2)
    (folder / "000000099-broken.parquet").write_bytes(b"PAR1")
    strange = put(folder, 5, 9, table="logs", at=3)

    answer = http.post(f"/revisions/{number}/restore").json()

    assert answer == {"total_files": 3, "damaged": [strange, "000000099-broken.parquet"]}
    one = http.get(f"/revisions/{number}").json()
    assert (one["start_block"], one["current_block"], one["files_count"]) == (0, 19, 2)
    assert http.post(f"/revisions/{number}/restore").json() == {"total_files": 3, "damaged": []}
    assert f".{strange}.damaged" in left(folder)
    assert activate(http, number).status_code == 200


def test_a_folder_that_is_not_here_loses_no_file(http: httpx.Client, tables: Path) -> None:
    number = restored(http, tables / "a", (0, 10))
    (tables / "a").rename(tables / "away")

    assert code(http.post(f"/revisions/{number}/restore")) == (500, "REGISTER_FILES_ERROR")
    assert http.get(f"/revisions/{number}").json()["files_count"] == 1


def test_a_dataset_is_restored_from_its_newest_folders(
    still: Serving, http: httpx.Client, tables: Path
) -> None:
    assert code(http.post(f"{AT}/restore")) == (404, "TABLE_NOT_FOUND")
    for revision in ("0001-a", "0002-b"):
        put(tables / revision, 0, 10)
    (tables / "0003-c").mkdir()

    answer = http.post(f"{AT}/restore")

    assert answer.status_code == 202
    (one,) = answer.json()["tables"]
    assert (one["table_name"], one["url"]) == ("blocks", (tables / "0002-b").as_uri())
    assert one["total_files"] == 1
    (active,) = http.get("/revisions?active=true").json()
    assert (active["id"], active["current_block"]) == (one["location_id"], 9)
    # What is another manifest's is not this one's, though it lies in the same folder.
    register(http, {**MANIFEST, "network": "sepolia"})
    (one,) = http.post(f"{AT}/restore").json()["tables"]
    assert one["url"] == (tables / "0001-a").as_uri()


def test_one_table_is_restored_from_the_revision_that_is_named(
    http: httpx.Client, tables: Path
) -> None:
    newest = put(tables / "0002-b", 0, 20)
    number = keep(http, tables / "0001-a")
    put(tables / "0001-a", 0, 10)
    path = f"{AT}/tables/blocks/restore"

    named = http.post(path, json={"location_id": number}).json()
    assert (named["location_id"], named["total_files"]) == (number, 1)
    found = http.post(path).json()
    assert found["url"] == (tables / "0002-b").as_uri()
    assert left(tables / "0002-b") == [newest]
    assert http.get(f"/revisions/{number}").json()["active"] is False

    assert code(http.post(path, json={"location_id": 99})) == (404, "REVISION_NOT_FOUND")
    assert code(http.post(path, json={"location_id": "1"})) == (400, "INVALID_PAYLOAD_FORMAT")
    assert code(http.post(path, json={"location": 1})) == (400, "INVALID_PAYLOAD_FORMAT")
    wrong = f"{AT}/tables/logs/restore"
    assert code(http.post(wrong)) == (404, "TABLE_NOT_IN_MANIFEST")


def test_a_file_says_what_it_is(http: httpx.Client, tables: Path) -> None:
    number = restored(http, tables / "a", (0, 10), (20, 30))
    page = http.get(f"/revisions/{number}/files", params={"limit": 1}).json()
    rest = http.get(f"/revisions/{number}/files", params={"after": page["next_cursor"]}).json()
    first, second = page["files"][0], rest["files"][0]
    assert (first["canonical"], second["canonical"], "next_cursor" in rest) == (True, False, False)

    whole = http.get(f"/files/{first['id']}").json()

    assert {name: whole[name] for name in first} == first
    assert (whole["location_id"], whole["start_block"], whole["end_block"]) == (number, 0, 9)
    assert whole["url"] == (tables / "a" / whole["file_name"]).as_uri()
    assert whole["object_size"] == (tables / "a" / whole["file_name"]).stat().st_size
    assert whole["metadata"]["generation"] == 0
    assert whole["metadata"]["jobyard"]["ranges"][0]["numbers"] == {"start": 0, "end": 9}
    assert (whole["object_e_tag"], whole["retired_at"]) == (None, None)

    http.delete(f"/revisions/{number}/prune")
    gone = http.get(f"/files/{second['id']}").json()
    assert (gone["reason"], gone["canonical"], gone["metadata"]) == ("pruned", False, None)
    (tables / "a" / whole["file_name"]).write_bytes(b"")
    assert http.get(f"/files/{whole['id']}").json()["metadata"] is None


def test_the_clients_say_the_same(mine: Client, http: httpx.Client, tables: Path) -> None:
    put(tables / "a", 0, 10)
    put(tables / "a", 20, 30)
    number = mine.register_revision("eth@dev", "blocks", "_/eth/blocks/a")["location_id"]

    assert mine.restore_revision(number) == {"total_files": 2, "damaged": []}
    assert mine.activate_revision(number, "eth@dev", "blocks")["active"]
    assert [one["id"] for one in mine.revisions(active=True)] == [number]
    file = mine.revision_files(number)["files"][1]
    assert mine.file(file["id"])["file_name"] == file["file_name"]
    assert mine.restore_table("eth@dev", "blocks", location_id=number)["location_id"] == number
    assert mine.restore_dataset("eth@dev")["tables"][0]["location_id"] == number
    assert mine.prune_revision(number, gc_delay_secs=5)["files_scheduled"] == 1
    mine.deactivate_revision("eth@dev", "blocks")
    assert not mine.revision(number)["active"]
    assert mine.truncate_revision(number) == {"files_deleted": 2}
    other = mine.register_revision("eth@dev", "blocks", "b")["location_id"]
    mine.delete_revision(other)
    assert mine.revisions() == []
