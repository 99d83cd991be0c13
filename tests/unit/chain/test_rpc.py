"""The client's parts: what errors mean, how answers are matched, how the pace is found."""

from __future__ import annotations

import pytest

from jobyard import clock
from jobyard.chain import rpc_wire
from jobyard.chain.rpc_endpoint import Endpoint, Limits
from jobyard.chain.rpc_failures import Failure, Kind, RpcError, from_error, from_status
from jobyard.chain.rpc_pace import Meter, Pace
from jobyard.chain.rpc_wire import Call
from jobyard.chain.source import Traffic


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-32005, "batch limit exceeded", Kind.TOO_LARGE),
        (-32600, "batch too large", Kind.TOO_LARGE),
        (-32000, "response size exceeded", Kind.TOO_LARGE),
        (-32005, "daily request count exceeded, request rate limited", Kind.THROTTLED),
        (429, "", Kind.THROTTLED),
        (4444, "pruned history unavailable", Kind.PRUNED),
        (
            -32001,
            "Block 5 cleaned up, does not exist on node.",
            Kind.PRUNED,
        ),
        (-32007, "Slot 5 was skipped, or missing due to ledger jump", Kind.SKIPPED),
        (-32009, "Slot 5 was skipped, or missing in long-term storage", Kind.SKIPPED),
        (-32004, "Block not available for slot 5", Kind.NOT_YET),
        (-32000, "header not found", Kind.NOT_YET),
        (-32601, "the method eth_getBlockReceipts does not exist/is not available", Kind.NO_METHOD),
        (-32602, "invalid argument 0", Kind.REJECTED),
        (-32000, "Unauthorized", Kind.REFUSED),
        (-32603, "Internal error", Kind.BROKEN),
        (-32000, "request timed out", Kind.SLOW),
    ],
)
def test_errors_of_nodes_are_sorted_by_what_helps(code: int, message: str, kind: Kind) -> None:
    assert from_error(RpcError(code, message)).kind is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", Kind.REFUSED),
        (403, b'{"error":{"code":-32000,"message":"x"}}', Kind.REFUSED),
        (404, b"<html>", Kind.NOT_A_NODE),
        (400, b'{"error":{"code":-32602,"message":"bad"}}', Kind.REJECTED),
        (413, b"", Kind.TOO_LARGE),
        (429, b"", Kind.THROTTLED),
        (500, b"oops", Kind.BROKEN),
        (504, b"", Kind.SLOW),
    ],
)
def test_http_answers_are_sorted_by_what_helps(status: int, body: bytes, kind: Kind) -> None:
    assert from_status(status, body, None).kind is kind


def test_a_single_call_is_no_batch_and_several_are() -> None:
    assert rpc_wire.request([Call("a", (1,))], 7) == (
        b'{"jsonrpc":"2.0","id":7,"method":"a","params":[1]}'
    )
    assert rpc_wire.request([Call("a"), Call("b")], 7).startswith(b'[{"jsonrpc":"2.0","id":7')


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"result":{"a":[1]}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":[1]}}\n',
        b'{"id":1,"result":{"a":[1]},"jsonrpc":"2.0"}',
        b' { "result" : {"a":[1]}, "id" : 1 } ',
        b'[{"id":1,"result":{"a":[1]}}]',
    ],
    ids=range(5),
)
def test_a_result_is_cut_out_however_it_is_wrapped(body: bytes) -> None:
    assert rpc_wire.outcomes(body, 1, 1) == [b'{"a":[1]}']


def test_answers_are_matched_by_id_and_missing_ones_noticed() -> None:
    body = b'[{"id":3,"result":"c"},{"id":1,"result":null},{"id":9,"result":"x"}]'
    found = rpc_wire.outcomes(body, 1, 3)

    assert (found[0], found[2]) == (b"null", b'"c"')
    assert isinstance(found[1], Failure)
    assert found[1].kind is Kind.UNREADABLE


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"id":1', b"[1]", b'"x"'])
def test_what_is_no_json_rpc_is_unreadable(body: bytes) -> None:
    with pytest.raises(Failure) as caught:
        rpc_wire.outcomes(body, 1, 2)

    assert caught.value.kind is Kind.UNREADABLE


def test_a_batch_refused_as_a_whole_is_one_failure() -> None:
    with pytest.raises(Failure) as caught:
        rpc_wire.outcomes(b'{"id":null,"error":{"code":-32600,"message":"batch too large"}}', 1, 2)

    assert caught.value.kind is Kind.TOO_LARGE


def test_the_pace_doubles_until_somebody_complains_and_then_creeps() -> None:
    pace = Pace(1000)
    for _ in range(60):
        pace.answered(0.1, pace.limit)
    assert pace.limit == 64

    pace.complained(Kind.THROTTLED, 1.0)
    pace.complained(Kind.THROTTLED, 1.05)
    assert pace.limit == 44

    for _ in range(44):
        pace.answered(0.1, pace.limit)
    assert pace.limit == 45


def test_the_pace_does_not_grow_where_answers_only_queue_or_nobody_asks_more() -> None:
    crowded, idle = Pace(1000), Pace(1000)
    crowded.answered(0.1, 4)
    for _ in range(100):
        crowded.answered(1.0, crowded.limit)
        idle.answered(0.1, 1)

    assert crowded.limit < 20
    assert idle.limit == 4


def test_the_pace_keeps_to_its_ceiling_and_never_stops() -> None:
    pace = Pace(6)
    for _ in range(100):
        pace.answered(0.1, pace.limit)
    assert pace.limit == 6

    for second in range(100):
        pace.complained(Kind.SLOW, float(second))
    assert pace.limit == 1


def test_calls_are_spread_over_time() -> None:
    meter = Meter(10)

    assert [meter.book(1, 5.0) for _ in range(3)] == pytest.approx([0.0, 0.1, 0.2])
    assert meter.book(5, 6.0) == 0.0
    assert meter.book(1, 6.0) == pytest.approx(0.5)
    assert Meter(None).book(100, 0.0) == 0.0


class Dial:
    """A clock that is set by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(clock, "monotonic", lambda: self.now)


@pytest.fixture
def dial(monkeypatch: pytest.MonkeyPatch) -> Dial:
    return Dial(monkeypatch)


BROKEN = Failure(Kind.BROKEN, "HTTP 500")


def rested(endpoint: Endpoint, dial: Dial) -> float:
    """Wait until an endpoint may be asked again; tell how long that was."""
    seconds = endpoint.health.rests_until - dial.now
    dial.now = endpoint.health.rests_until
    return seconds


def test_requests_that_break_together_are_one_reason_to_rest_and_not_many(dial: Dial) -> None:
    endpoint = Endpoint("node", "http://node", Limits(), Traffic())
    for _ in range(60):
        endpoint.failed(BROKEN, dial.now - 0.1)

    assert 0 < rested(endpoint, dial) <= 0.25


def test_a_node_that_is_away_is_asked_once_each_rest_and_never_rests_long(dial: Dial) -> None:
    endpoint = Endpoint("node", "http://node", Limits(), Traffic())
    wide = endpoint.room
    for _ in range(60):
        endpoint.failed(BROKEN, dial.now - 0.1)
    rests = []
    for _ in range(12):
        rests.append(rested(endpoint, dial))
        assert endpoint.room == 1
        endpoint.failed(BROKEN, dial.now)
    endpoint.succeeded()

    assert rests[0] < rests[3] < rests[-1] <= 5
    assert wide > 1
    assert endpoint.room == endpoint.pace.limit


def test_what_was_sent_before_a_rest_and_ends_behind_it_is_no_reason_for_another(
    dial: Dial,
) -> None:
    endpoint = Endpoint("node", "http://node", Limits(), Traffic())
    sent = dial.now
    for _ in range(6):
        endpoint.failed(BROKEN, sent)
    rested(endpoint, dial)
    endpoint.failed(BROKEN, sent)

    assert endpoint.health.rests_until == dial.now
