"""The YAML reader against whatever comes: it answers or refuses, and means what YAML 1.2 means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, event, example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.unit.spec.test_application import SEEDS

from jobyard.errors import InvalidDocument
from jobyard.spec import yaml_reader
from jobyard.spec.document import Limits, read

ROOT = Path(__file__).parents[3]
REAL = [*SEEDS.values(), *(path.read_text() for path in (ROOT / "examples").rglob("*.yaml"))]
BITS = [
    *"-:?[]{}&*!|>'%@`#,.~<=+09aA\n\r\t ", '"', "\\", "\x85", "\u2028", "\ufeff", "\0", "é",
    "---\n", "...\n", "- ", ": ", "&a ", "*a", "!!str ", "!!binary ", "!x ", "<<: ", "|\n  ",
    ">-\n  ", "# c\n", "%YAML 1.1\n", "%TAG ! tag:x,1:\n", "null", "yes", "0x1f", "0o7", "1e3",
    ".inf", '"\\x41"',
]  # fmt: skip

mutations = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.sampled_from(BITS)),
    min_size=1,
    max_size=6,
)
soup = st.lists(st.sampled_from(BITS), max_size=40).map("".join)


@st.composite
def nearly_real(draw: st.DrawFn) -> str:
    """Draw a real document in which some characters are replaced by others."""
    text = draw(st.sampled_from(REAL))
    for at, length, bit in draw(mutations):
        here = at % (len(text) + 1)
        text = text[:here] + bit + text[here + length :]
    return text


def outcome(text: str | bytes) -> Any:
    """Read a text; None when it is refused, and then in a sentence with a place if there is one."""
    try:
        documents = read(text, syntax="yaml", limits=Limits(nodes=2000))
    except InvalidDocument as error:
        (problem,) = error.problems
        assert problem.message
        assert problem.line is None or 1 <= problem.line <= text_lines(text)
        return None
    for document in documents:
        assert all(1 <= line <= text_lines(text) for line in document.lines.values())
    return [document.value for document in documents]


def text_lines(text: str | bytes) -> int:
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return len(decoded.splitlines()) + 1


@given(nearly_real())
def test_a_nearly_real_document_is_read_or_refused(text: str) -> None:
    event("read" if outcome(text) is not None else "refused")


@given(soup)
def test_soup_is_read_or_refused(text: str) -> None:
    event("read" if outcome(text) is not None else "refused")


@given(st.binary(max_size=300) | nearly_real().map(lambda text: text.encode("utf-16")))
def test_bytes_are_read_or_refused(data: bytes) -> None:
    outcome(data)


@pytest.mark.skipif(yaml_reader._LOADER is yaml.SafeLoader, reason="there is no libyaml here")
@given(nearly_real() | soup)
@example("a: {b: [c, 'd e', \"f\\tg\"]}\n---\n? h\n: |\n  i\n")
def test_both_parsers_give_the_same(text: str) -> None:
    # They differ in how many byte order marks they take for one.
    assume("\ufeff" not in text)
    fast = outcome(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_reader, "_LOADER", yaml.SafeLoader)
        slow = outcome(text)

    if fast is not None and slow is not None:
        event("taken by both")
        assert fast == slow


@given(st.text("ab \x85\u2028\u2029\ue000'é", min_size=1, max_size=12))
def test_only_line_feeds_and_returns_end_a_line(text: str) -> None:
    quoted = text.replace("'", "''")
    document = f"# {text}\nfirst: '{quoted}'\n'{quoted}': 1\nlast: 2\n"
    if text in ("first", "last"):
        return

    (read_back,) = read(document, syntax="yaml")

    assert read_back.value == {"first": text, text: 1, "last": 2}
    assert [read_back.lines[name,] for name in ("first", text, "last")] == [2, 3, 4]


MEANT: dict[str, Any] = {
    "a": "a", "b c": "b c", "x-y": "x-y", "'1'": "1", '"a\\tb"': "a\tb", "1": 1, "-5": -5,
    "0x1f": 31, "0o17": 15, "017": 17, "1.5": 1.5, "1e3": 1000.0, "true": True, "yes": "yes",
    "null": None, "~": None, "": None, "12:30": "12:30", "2030-01-01": "2030-01-01", "=": "=",
}  # fmt: skip
"""What is written, and what YAML 1.2 means by it."""
names = st.sampled_from(["a", "b", "long-name", "x_y"])
nodes = st.recursive(
    st.sampled_from(sorted(MEANT)),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=3),
    max_leaves=15,
)


def written(node: Any, depth: int = 0) -> str:
    """Write a drawn document in block style."""
    pad = "  " * depth
    if isinstance(node, dict) and node:
        return "".join(
            f"\n{pad}{name}: {written(below, depth + 1)}" for name, below in node.items()
        )
    if isinstance(node, list) and node:
        return "".join(f"\n{pad}- {written(below, depth + 1)}" for below in node)
    return "{}" if node == {} else "[]" if node == [] else str(node)


def meant(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: meant(below) for name, below in node.items()}
    return list(map(meant, node)) if isinstance(node, list) else MEANT[node]


@given(nodes)
def test_a_document_means_what_was_written(node: Any) -> None:
    (ours,) = outcome(f"top: {written(node, 1)}\n")

    assert ours == {"top": meant(node)}


def same(ours: Any, theirs: Any) -> bool:
    """Compare with what another library says, whose names may be no text."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == {str(name) for name in theirs} and all(
            same(ours[str(name)], member) for name, member in theirs.items()
        )
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and bool(ours == theirs)


@given(nodes)
def test_another_library_for_yaml_1_2_says_the_same(node: Any) -> None:
    text = f"top: {written(node, 1)}\n"
    library: Any = YAML(typ="safe", pure=True)
    # It makes dates of some texts, and knows `=` as a value of YAML 1.1.
    assume("2030" not in text)
    assume("=" not in text)

    (ours,) = outcome(text)

    assert same(ours, library.load(text))
