"""JSON-RPC 2.0 on the wire: requests to bytes, bytes to results that are not parsed any further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from jobyard.chain.rpc_failures import Failure, Kind, RpcError, from_error

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Call:
    """One method with its parameters; ``number`` is the block it is about, where it is one."""

    method: str
    params: tuple[Any, ...] = ()
    number: int | None = None


class Answer(msgspec.Struct):
    """One answer; the result is a slice of the text it came in."""

    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: RpcError | None = None

    def outcome(self) -> bytes | Failure:
        """Take the result's bytes, or what went wrong."""
        if self.error is not None:
            return from_error(self.error)
        if not self.result:
            return Failure(Kind.UNREADABLE, "an answer with neither result nor error")
        return bytes(self.result)


_one = msgspec.json.Decoder(Answer)
_many = msgspec.json.Decoder(list[Answer])


def request(calls: Sequence[Call], first_id: int) -> bytes:
    """Write calls as one request, a batch if they are several; ids count from ``first_id``."""
    written = [
        {"jsonrpc": "2.0", "id": first_id + offset, "method": call.method, "params": call.params}
        for offset, call in enumerate(calls)
    ]
    return msgspec.json.encode(written if len(written) > 1 else written[0])


def read(body: bytes) -> list[Answer]:
    """Read the answers in a text, in their order.

    Raises:
        Failure: It is not JSON-RPC.
    """
    try:
        return _many.decode(body) if body.lstrip()[:1] == b"[" else [_one.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Failure(Kind.UNREADABLE, f"not JSON-RPC: {error}") from error


def outcomes(body: bytes, first_id: int, count: int) -> list[bytes | Failure]:
    """Read the answers to a request, in the order of its calls, however they were ordered.

    The text of a single answer may be unreadable all the same: whoever reads the result finds out.

    Raises:
        Failure: It is not JSON-RPC, or refuses the request as a whole.
    """
    if count == 1:
        # Nearly every node answers so; then the result need not be looked for in a megabyte.
        prefix = b'{"jsonrpc":"2.0","id":%d,"result":' % first_id
        text = body.rstrip()
        if text.startswith(prefix) and text.endswith(b"}"):
            return [text[len(prefix) : -1]]
    return match(read(body), first_id, count)


def match(answers: list[Answer], first_id: int, count: int) -> list[bytes | Failure]:
    """Put answers into the order of the calls.

    Raises:
        Failure: The request was refused as a whole.
    """
    if count > 1 and len(answers) == 1 and answers[0].error is not None:
        raise from_error(answers[0].error)
    by_id = {answer.id: answer for answer in answers}
    found: list[bytes | Failure] = []
    for offset in range(count):
        answer = by_id.get(first_id + offset)
        if answer is None and count == 1 and answers[0].id is None:
            answer = answers[0]
        missing = Failure(Kind.UNREADABLE, "no answer to this call")
        found.append(missing if answer is None else answer.outcome())
    return found
