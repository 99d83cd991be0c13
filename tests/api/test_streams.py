"""Streams of a real server: what programs print while they print it, and what becomes of jobs."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from tests.api.conftest import Serving, serving

from jobyard.api import feed, streams
from jobyard.client import Client
from jobyard.errors import AttemptNotFound, InvalidQueryParam, JobNotFound
from jobyard.wire.logs import bytes_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PATIENCE = 60


class Event(NamedTuple):
    kind: str
    id: str
    data: dict[str, Any]


def shell(script: str, **fields: Any) -> dict[str, Any]:
    return {"name": "a", "command": ["sh", "-c", script], "backoff_limit": 0, **fields}


def waiting(gate: Path, before: str, after: str, **fields: Any) -> dict[str, Any]:
    """A program that prints, waits for a file, and prints again."""
    return shell(f"{before}; until [ -e {gate} ]; do sleep 0.02; done; {after}", **fields)


def finished(client: Client, spec: dict[str, Any]) -> int:
    job_id: int = client.wait(client.submit(spec)["id"], within=PATIENCE)["id"]
    return job_id


def events(
    raw: httpx.Client, path: str, after: str | None = None, **params: Any
) -> Generator[Event, None, None]:
    """Read events as the standard says, up to the end event or that of the connection."""
    headers = {} if after is None else {"Last-Event-ID": after}
    with raw.stream("GET", path, params=params, headers=headers, timeout=PATIENCE) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
                continue
            if "data" in fields:
                yield Event(fields.get("event", ""), fields["id"], json.loads(fields["data"]))
            if fields.get("event") == "end":
                return
            fields = {}


def test_output_is_followed_while_it_is_printed(client: Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    spec = waiting(gate, "echo one; printf two >&2", "printf '\\377'; echo three")
    job = client.submit(spec)

    got = b""
    for piece in client.follow_logs(job["id"]):
        got += piece
        if b"one" in got and b"two" in got and not gate.exists():
            assert client.job(job["id"])["status"] == "RUNNING"
            gate.touch()
    assert sorted(got[:7]) == sorted(b"one\ntwo")
    assert got[7:] == b"\xffthree\n"
    assert client.job(job["id"])["status"] == "COMPLETED"


def test_following_a_job_that_is_over_tells_all_of_it(client: Client) -> None:
    job_id = finished(client, shell("echo a; seq 1 1000 >&2; printf b"))

    assert b"".join(client.follow_logs(job_id)) == b"".join(client.logs(job_id))
    assert b"".join(client.follow_logs(job_id, stream="stdout")) == b"a\nb"
    assert b"".join(client.follow_logs(job_id, tail=2, stream="stderr")) == b"999\n1000\n"
    assert b"".join(client.follow_logs(job_id, grep="^99.$")) == b"".join(
        b"%d\n" % number for number in range(990, 1000)
    )
    [stamped] = [line for line in client.log_lines(job_id) if line["line"] == "a"]
    text = b"".join(client.follow_logs(job_id, timestamps=True, stream="stdout"))
    assert text.startswith(f"{stamped['at']} a\n".encode())


def test_parallel_indexes_are_followed_together_and_can_be_taken_up_anywhere(
    client: Client, raw: httpx.Client
) -> None:
    script = "for n in 1 2 3 4 5 6; do echo $JOB_COMPLETION_INDEX:$n; sleep 0.06; done"
    job = client.submit(shell(script, completions=4, parallelism=2, completion_mode="Indexed"))
    path = f"/jobs/{job['id']}/logs/stream"
    told = list(events(raw, path))

    assert (told[-1].kind, told[-1].data) == (
        "end", {"job_id": job["id"], "job_status": "COMPLETED"},
    )  # fmt: skip
    for index in range(4):
        mine = b"".join(bytes_of(e.data) for e in told[:-1] if e.data["index"] == index)
        assert mine == b"".join(b"%d:%d\n" % (index, n) for n in range(1, 7))
    for at in range(0, len(told), 5):
        rest = list(events(raw, path, told[at].id))
        assert rest == (told[at + 1 :] or told[-1:])
        assert list(events(raw, path, last_event_id=told[at].id)) == rest


def test_the_end_of_a_job_is_told_soon_also_without_output(client: Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = client.submit(waiting(gate, "true", "true"))
    threading.Timer(0.2, gate.touch).start()

    assert list(client.follow_lines(job["id"])) == []
    assert client.job(job["id"])["status"] == "COMPLETED"


def test_what_cannot_be_followed_is_refused(client: Client) -> None:
    job_id = finished(client, shell(""))

    with pytest.raises(JobNotFound):
        next(client.follow_logs(10**9))
    with pytest.raises(AttemptNotFound):
        next(client.follow_logs(job_id, attempt_id=10**9))
    with pytest.raises(InvalidQueryParam):
        next(client.follow_logs(job_id, grep="("))
    with pytest.raises(InvalidQueryParam):
        next(client.watch(label=["x"], labels=["x"]))  # type: ignore[call-arg]


@pytest.mark.parametrize("last", ["x", "1:2", "1:2:3:4", "1:2:3~", "-1:2:3", "9" * 40 + ":1:1"])
def test_an_id_of_somebody_else_is_refused(client: Client, raw: httpx.Client, last: str) -> None:
    job_id = finished(client, shell(""))

    for path, wrong in ((f"/jobs/{job_id}/logs/stream", last), ("/jobs/stream", f"{last}:")):
        answer = raw.get(path, headers={"Last-Event-ID": wrong})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_QUERY_PARAM")


def test_a_place_beyond_the_end_is_the_end(
    client: Client, raw: httpx.Client, tmp_path: Path
) -> None:
    """Ids of a database that was there before lead astray neither their follower nor others."""
    beyond, gate = f"{2**62}:7", tmp_path / "gate"
    job = client.submit(waiting(gate, "echo early", "echo late"))
    early = next(client.follow_lines(job["id"]))

    path, ahead = f"/jobs/{job['id']}/logs/stream", {"Last-Event-ID": f"{beyond}:7"}
    with raw.stream("GET", path, headers=ahead, timeout=PATIENCE) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry")
        gate.touch()
        assert '"line":"late"' in next(line for line in lines if line.startswith("data"))
    with raw.stream(
        "GET", "/jobs/stream", headers={"Last-Event-ID": beyond}, timeout=PATIENCE
    ) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry")
        later = client.submit(shell("", name="later"))
        told = json.loads(next(line for line in lines if line.startswith("data")).partition(" ")[2])

    assert early["line"] == "early"
    assert (told["job_id"], told["event"]) == (later["id"], "created")


def test_a_stream_says_now_and_then_that_it_lives(
    client: Client, raw: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BEAT", 0.05)
    monkeypatch.setattr(streams, "BEAT", 0.05)
    gate = tmp_path / "gate"
    job = client.submit(waiting(gate, "echo a", "echo b"))
    told = []
    with raw.stream("GET", f"/jobs/{job['id']}/logs/stream?grep=b", timeout=PATIENCE) as answer:
        for line in answer.iter_lines():
            told.append(line)
            # It says how far it has read, though nothing of that was to be told.
            if line.startswith("id: ") and not line.startswith("id: 0:0:0"):
                gate.touch()
    assert ": still here" in told
    assert '"line":"b"' in next(line for line in told if line.startswith("data"))


def test_all_status_changes_are_told_as_they_happen(client: Client, raw: httpx.Client) -> None:
    with closing(events(raw, "/jobs/stream", name="watched")) as stream:
        told: list[Event] = []

        def read() -> None:
            for event in stream:
                told.append(event)
                if event.data["status"] == "COMPLETED":
                    return

        reading = threading.Thread(target=read)
        reading.start()
        finished(client, shell("", name="other"))
        job_id = finished(client, shell("", name="watched", labels={"k": "v"}))
        reading.join(PATIENCE)
        assert not reading.is_alive()

    ledger = client.events(job_id)["events"]
    extra = {"name": "watched", "namespace": "default", "labels": {"k": "v"}}
    assert [event.data for event in told] == [{**line, **extra} for line in ledger]

    again = events(raw, "/jobs/stream", told[1].id, job_id=job_id)
    assert [next(again) for _ in told[2:]] == told[2:]
    again.close()


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ({}, ["a", "b", "c"]),
        ({"name": "b"}, ["b"]),
        ({"namespace": "n"}, ["b", "c"]),
        ({"labels": ["k=v"]}, ["a", "b"]),
        ({"labels": ["k!=v"]}, ["c"]),
        ({"labels": ["k=v", "l=w"]}, ["b"]),
    ],
)
def test_status_changes_can_be_chosen(
    still: Serving, chosen: dict[str, Any], names: list[str]
) -> None:
    with Client(still.url) as client:
        for name, namespace, labels in (
            ("a", "default", {"k": "v"}),
            ("b", "n", {"k": "v", "l": "w"}),
            ("c", "n", {}),
        ):
            client.submit(shell("", name=name, namespace=namespace, labels=labels))
        with closing(client.watch("0:0", status="scheduled", **chosen)) as watched:
            assert [next(watched)["name"] for _ in names] == names


def test_a_stream_ends_with_its_server_and_without_an_end(tmp_path: Path) -> None:
    """A connection that is cut off would be an error of httpx."""
    server = Serving(tmp_path / "state", engine=False)
    server.start()
    with (
        Client(server.url) as client,
        httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE) as raw,
        raw.stream("GET", f"/jobs/{client.submit(shell(''))['id']}/logs/stream") as answer,
        raw.stream("GET", "/jobs/stream") as changes,
    ):
        pieces = answer.iter_text(), changes.iter_text()
        assert [next(piece) for piece in pieces] == ["retry: 1000\n\n"] * 2
        server.end()
        assert ["".join(piece) for piece in pieces] == ["", ""]


def test_a_client_goes_on_with_the_server_that_comes_after(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serving(tmp_path / "state", engine=True):
        with serving(tmp_path / "state", engine=False) as server:
            url = server.url
            client = Client(url)
            script = "i=0; while [ $i -lt 50 ]; do echo $i; i=$((i+1)); done"
            job = client.submit(waiting(gate, script, "echo more; echo end"))
            pieces = client.follow_logs(job["id"])
            got = b""
            while not got.endswith(b"49\n"):
                got += next(pieces)
            changes = client.watch("0:0", job_id=job["id"])
            seen = [next(changes)["status"]]
        gate.touch()
        port = urlsplit(url).port
        assert port is not None
        with serving(tmp_path / "state", engine=False, port=port), client:
            got += b"".join(pieces)
            while seen[-1] != "COMPLETED":
                seen.append(next(changes)["status"])
            changes.close()
            ledger = [event["status"] for event in client.events(job["id"])["events"]]

    assert got == b"".join(b"%d\n" % number for number in range(50)) + b"more\nend\n"
    assert seen == ledger
