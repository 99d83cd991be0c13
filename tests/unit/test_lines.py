"""Cutting output into lines: nothing is lost, whatever the chunks, streams and lengths."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from jobyard.api import lines as module
from jobyard.api.lines import Cutter, Line, Source
from jobyard.store.base import Chunk, LogPlace
from jobyard.wire.logs import Joiner, bytes_of, line_object

SOURCE = Source(7, 3, 1)
TEXT = st.text("ab\né\r", max_size=12).map(str.encode) | st.binary(max_size=8)
RUNS = st.lists(st.tuples(st.sampled_from([1, 2]), TEXT.filter(bool)), max_size=12)


def chunks_of(runs: list[tuple[int, bytes]], sizes: list[int]) -> list[Chunk]:
    """Put runs into chunks of so many runs each."""
    chunks, offset = [], 0
    left = list(runs)
    for order, size in enumerate([*sizes, len(runs)]):
        part, left = left[: size + 1], left[size + 1 :]
        if not part:
            break
        data = b"".join(text for _, text in part)
        marks = tuple((stream, len(text), order) for stream, text in part)
        chunks.append(Chunk(1, 7, offset, 1000, marks, data, order))
        offset += len(data)
    return chunks


def cut(chunks: list[Chunk], *, whole: bool, stream: int | None = None) -> list[Line]:
    cutter = Cutter(SOURCE, stream=stream, whole=whole)
    found = [line for chunk in chunks for line in cutter.cut(chunk)]
    end = chunks[-1].end if chunks else LogPlace(0, 7, 0)
    return found + list(cutter.rest(end.order, end.offset))


def of_stream(runs: list[tuple[int, bytes]], stream: int) -> bytes:
    return b"".join(text for of, text in runs if of == stream)


@given(RUNS, st.lists(st.integers(0, 3), max_size=12))
def test_lines_of_a_stream_join_to_what_was_printed(
    runs: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    found = cut(chunks_of(runs, sizes), whole=True)

    for stream in (1, 2):
        mine = [line for line in found if line.stream == stream]
        assert b"".join(line.raw for line in mine) == of_stream(runs, stream)
        assert all(b"\n" not in line.data for line in mine)
        assert all(line.head for line in mine)
        assert not any(line.partial for line in mine[:-1])


@given(RUNS, st.lists(st.integers(0, 3), max_size=12))
def test_pieces_join_to_what_was_printed_in_the_order_of_its_bytes(
    runs: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    found = cut(chunks_of(runs, sizes), whole=False)

    assert b"".join(line.raw for line in found) == b"".join(text for _, text in runs)
    ends = list(accumulate(len(line.raw) for line in found))
    assert [line.end.offset for line in found] == ends
    assert [line.offset for line in found] == [0, *ends[:-1]][: len(found)]


@given(RUNS, st.lists(st.integers(0, 3), max_size=12), st.data())
def test_cutting_pieces_can_begin_at_any_byte(
    runs: list[tuple[int, bytes]], sizes: list[int], data: st.DataObject
) -> None:
    chunks = chunks_of(runs, sizes)
    whole = b"".join(text for _, text in runs)
    start = data.draw(st.integers(0, len(whole)))
    cutter = Cutter(SOURCE, stream=None, whole=False)
    found = [line for chunk in chunks for line in cutter.cut(chunk, start)]

    assert b"".join(line.raw for line in found) == whole[start:]


@given(RUNS, st.lists(st.integers(0, 3), max_size=12))
def test_a_line_s_object_and_a_joiner_keep_every_byte(
    runs: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    joiner = Joiner(timestamps=False)
    joined: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    for line in cut(chunks_of(runs, sizes), whole=False):
        written = line_object(
            attempt_id=7, index=3, number=1, stream=line.stream, at=line.at,
            offset=line.offset, data=line.data, partial=line.partial,
        )  # fmt: skip
        assert bytes_of(written) == line.raw
        assert ("base64" in written) == (line.data.decode("utf-8", "replace").encode() != line.data)
        joined[written["stream"]] += joiner.add(written)
    left = joiner.rest()
    for name, stream in (("stdout", 1), ("stderr", 2)):
        printed = of_stream(runs, stream)
        assert joined[name] == printed[: printed.rfind(b"\n") + 1]
        assert printed[printed.rfind(b"\n") + 1 :] in left


def test_a_line_too_long_to_be_held_comes_in_pieces() -> None:
    long = b"x" * (module.LONGEST * 2 + 10)
    runs = [(1, long[:70_000]), (2, b"between\n"), (1, long[70_000:] + b"\nnext\n")]
    found = [line for line in cut(chunks_of(runs, [0, 0]), whole=True) if line.stream == 1]

    assert b"".join(line.raw for line in found) == long + b"\nnext\n"
    assert [line.head for line in found] == [True, False, False, True]
    assert [line.partial for line in found] == [True, True, False, False]
    assert all(len(line.data) <= module.LONGEST for line in found)
    # Each piece ends where the next begins, but for the other stream's bytes between.
    assert found[0].end.offset == module.LONGEST == found[1].offset
    assert found[1].end.offset == found[2].offset


def test_only_the_wanted_stream_is_cut() -> None:
    chunks = chunks_of([(1, b"out"), (2, b"err\n"), (1, b"put\n")], [])

    assert [line.data for line in cut(chunks, whole=True, stream=2)] == [b"err"]
    assert [line.data for line in cut(chunks, whole=True)] == [b"err", b"output"]
