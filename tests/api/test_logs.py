"""What programs printed, read from a server: lines, pages, ranges, and only what was asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobyard.errors import InvalidQueryParam
from jobyard.wire.logs import bytes_of

if TYPE_CHECKING:
    import httpx

    from jobyard.client import Client

PATIENCE = 60


def shell(script: str, **fields: Any) -> dict[str, Any]:
    return {"name": "a", "command": ["sh", "-c", script], "backoff_limit": 0, **fields}


def finished(client: Client, spec: dict[str, Any]) -> int:
    job_id: int = client.wait(client.submit(spec)["id"], within=PATIENCE)["id"]
    return job_id


def three(client: Client, script: str) -> int:
    """Run a script as three indexes, one after the other."""
    return finished(client, shell(script, completions=3, parallelism=1, completion_mode="Indexed"))


def printed(client: Client, job_id: int, **chosen: Any) -> bytes:
    return b"".join(client.logs(job_id, **chosen))


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.split("\n") if line]


def test_lines_are_objects_that_keep_every_byte(client: Client) -> None:
    job_id = finished(
        client, shell("printf 'one\\n\\n\\303\\251\\377\\n'; printf 'err\\nlast' >&2")
    )
    (attempt,) = client.attempts(job_id)

    found = list(client.log_lines(job_id))

    out = [line for line in found if line["stream"] == "stdout"]
    assert [line["line"] for line in out] == ["one", "", "é\ufffd"]
    assert [line["offset"] for line in out if line["line"] == "one"] in ([0], [8])
    assert b"".join(map(bytes_of, out)) == printed(client, job_id, stream="stdout")
    err = [line for line in found if line["stream"] == "stderr"]
    assert [(line["line"], line["partial"]) for line in err] == [("err", False), ("last", True)]
    assert {(line["attempt_id"], line["index"], line["number"]) for line in found} == {
        (attempt["id"], None, 1)
    }
    assert all(line["at"] >= str(attempt["started_at"])[:10] for line in found)


def test_lines_can_be_chosen_by_an_expression(client: Client) -> None:
    job_id = three(client, "seq 1 20 | sed s/^/$JOB_COMPLETION_INDEX:/")

    assert printed(client, job_id, grep=":1[37]$") == b"".join(
        b"%d:13\n%d:17\n" % (index, index) for index in range(3)
    )
    assert printed(client, job_id, grep=":13", index=2) == b"2:13\n"


@pytest.mark.parametrize("pattern", ["(", "(?=x)", "(a)\\1", "x" * 1001])
def test_an_expression_that_cannot_be_used_is_refused(client: Client, pattern: str) -> None:
    job_id = finished(client, shell(""))

    with pytest.raises(InvalidQueryParam):
        printed(client, job_id, grep=pattern)


def test_an_expression_that_explodes_elsewhere_takes_no_longer_here(client: Client) -> None:
    job_id = finished(client, shell("head -c 60000 /dev/zero | tr '\\0' a; echo"))

    assert printed(client, job_id, grep="^(a|a)*(a+)+$") != b""
    assert printed(client, job_id, grep="^(a|a)*(a+)+b$") == b""


def test_a_tail_is_the_last_lines_of_what_was_chosen(client: Client) -> None:
    job_id = three(client, "seq 1 5 | sed s/^/$JOB_COMPLETION_INDEX:/; echo e >&2")

    assert printed(client, job_id, tail=2, stream="stdout") == b"2:4\n2:5\n"
    assert printed(client, job_id, tail=7, stream="stdout") == b"1:4\n1:5\n" + b"".join(
        b"2:%d\n" % n for n in range(1, 6)
    )
    assert printed(client, job_id, tail=0) == b""
    assert printed(client, job_id, tail=2, index=0, stream="stdout") == b"0:4\n0:5\n"
    assert printed(client, job_id, tail=2, grep=":3") == b"1:3\n2:3\n"
    assert printed(client, job_id, tail=100) == printed(client, job_id)
    assert [line["line"] for line in client.log_lines(job_id, tail=1, stream="stdout")] == ["2:5"]


def test_a_tail_of_much_output_reads_its_end_only(client: Client, raw: httpx.Client) -> None:
    job_id = finished(client, shell("seq 1 400000; printf end"))

    assert printed(client, job_id, tail=3) == b"399999\n400000\nend"
    assert printed(client, job_id, tail=100_000).startswith(b"300002\n")


def test_only_what_was_read_since_a_time(client: Client) -> None:
    job_id = finished(client, shell("echo old; sleep 0.3; echo new"))
    old, new = client.log_lines(job_id)

    assert printed(client, job_id, since=new["at"]) == b"new\n"
    assert printed(client, job_id, since=old["at"]) == b"old\nnew\n"
    assert printed(client, job_id, since="1h") == b"old\nnew\n"
    assert printed(client, job_id, since=new["at"], tail=5) == b"new\n"
    for ever in ("2999-01-01T00:00:00Z", "2999-01-01T00:00:00 01:00"):
        assert printed(client, job_id, since=ever) == b""
    for wrong in ("yesterday", "2026-01-01T00:00:00"):
        with pytest.raises(InvalidQueryParam):
            printed(client, job_id, since=wrong)


def test_timestamps_stand_before_every_line(client: Client) -> None:
    job_id = three(client, "printf 'a\\nb'")
    found = list(client.log_lines(job_id))

    text = printed(client, job_id, timestamps=True)
    assert text.rstrip(b"\n").split(b"\n") == [
        f"{line['at']} {line['line']}".encode() for line in found
    ]


@pytest.mark.parametrize("chosen", [{}, {"stream": "stderr"}, {"grep": "[0-4]$"}, {"index": 1}])
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_pages_join_to_the_whole(
    client: Client, raw: httpx.Client, paged: int, limit: int, chosen: dict[str, Any]
) -> None:
    whole = lines(raw.get(f"/jobs/{paged}/logs", params={"format": "jsonl", **chosen}))

    found: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(len(whole) + 5):
        params: dict[str, Any] = {"format": "jsonl", "cursor": cursor, "limit": limit, **chosen}
        answer = raw.get(f"/jobs/{paged}/logs", params=params)
        page = lines(answer)
        assert len(page) <= limit
        found += page
        cursor = answer.headers["jobyard-next-cursor"]
        if len(page) < limit:
            break
    assert found == whole
    params = {"format": "jsonl", "cursor": cursor, **chosen}
    assert lines(raw.get(f"/jobs/{paged}/logs", params=params)) == []


@pytest.fixture(scope="module")
def paged(live: Any) -> int:
    from jobyard.client import Client

    with Client(live.url) as client:
        return three(client, "for n in 1 2 3 4 5; do printf $n; echo $n >&2; done; printf ,")


def test_a_page_of_text_has_whole_lines(raw: httpx.Client, client: Client) -> None:
    job_id = finished(client, shell("seq 1 5"))
    answer = raw.get(f"/jobs/{job_id}/logs", params={"cursor": "", "limit": 2})

    assert answer.content == b"1\n2\n"
    cursor = answer.headers["jobyard-next-cursor"]
    rest = raw.get(f"/jobs/{job_id}/logs", params={"cursor": cursor})
    assert rest.content == b"3\n4\n5\n"


def test_a_page_does_not_pass_an_attempt_that_still_runs(client: Client, raw: httpx.Client) -> None:
    script = "echo $JOB_COMPLETION_INDEX; [ $JOB_COMPLETION_INDEX = 1 ] || exec sleep 1000"
    job = client.submit(shell(script, completions=2, parallelism=2, completion_mode="Indexed"))
    while client.job(job["id"])["succeeded"] == 0 or b"0" not in printed(client, job["id"]):
        pass
    page = lines(raw.get(f"/jobs/{job['id']}/logs", params={"format": "jsonl", "limit": 10}))
    client.cancel(job["id"])
    client.wait(job["id"], within=PATIENCE)

    assert [line["index"] for line in page] in ([0], [1, 0])
    whole = lines(raw.get(f"/jobs/{job['id']}/logs", params={"format": "jsonl", "limit": 10}))
    assert sorted(line["line"] for line in whole) == ["0", "1"]


@pytest.mark.parametrize("cursor", ["x", "1", "1:2:3:4", "1:-2", "1:2:9", "9" * 70 + ":1"])
def test_a_cursor_of_somebody_else_is_refused(
    client: Client, raw: httpx.Client, paged: int, cursor: str
) -> None:
    answer = raw.get(f"/jobs/{paged}/logs", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_QUERY_PARAM")


def test_a_page_has_bounds(raw: httpx.Client, paged: int) -> None:
    for query in ("cursor=&limit=10001", "cursor=1:0&tail=3"):
        assert raw.get(f"/jobs/{paged}/logs?{query}").status_code == 400


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=2-5", 2, 5),
        ("bytes=90-", 90, 99),
        ("bytes=95-2000", 95, 99),
        ("bytes=-3", 97, 99),
        ("bytes=-5000", 0, 99),
    ],
)
def test_a_range_of_one_attempt_s_bytes(
    client: Client, raw: httpx.Client, hundred: tuple[int, int], asked: str, first: int, last: int
) -> None:
    job_id, attempt_id = hundred
    whole = printed(client, job_id)
    answer = raw.get(
        f"/jobs/{job_id}/logs", params={"attempt_id": attempt_id}, headers={"Range": asked}
    )

    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/100"
    assert answer.content == whole[first : last + 1]


@pytest.fixture(scope="module")
def hundred(live: Any) -> tuple[int, int]:
    from jobyard.client import Client

    with Client(live.url) as client:
        job_id = finished(client, shell("seq -s, 1 36; printf x"))
        (attempt,) = client.attempts(job_id)
        assert len(printed(client, job_id)) == 100
        return job_id, attempt["id"]


def test_a_range_behind_the_end_is_not_satisfiable(
    raw: httpx.Client, hundred: tuple[int, int]
) -> None:
    job_id, attempt_id = hundred
    for asked in ("bytes=100-", "bytes=5-2", "bytes=-0"):
        answer = raw.get(
            f"/jobs/{job_id}/logs", params={"attempt_id": attempt_id}, headers={"Range": asked}
        )
        assert answer.status_code == 416
        assert answer.headers["content-range"] == "bytes */100"
        assert answer.json()["error_code"] == "RANGE_NOT_SATISFIABLE"


def test_a_range_that_means_nothing_here_is_ignored(
    client: Client, raw: httpx.Client, hundred: tuple[int, int]
) -> None:
    job_id, attempt_id = hundred
    one = f"attempt_id={attempt_id}"
    for asked, query in (
        ("bytes=0-1,3-4", one),
        ("lines=0-1", one),
        ("bytes=-", one),
        ("bytes=0-1", ""),
        ("bytes=0-1", f"{one}&stream=stdout"),
    ):
        answer = raw.get(f"/jobs/{job_id}/logs?{query}", headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, printed(client, job_id))
