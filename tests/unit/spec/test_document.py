from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.errors import InvalidDocument, TooLarge
from jobyard.spec.document import Limits, read


def problem_of(text: str | bytes, **options: Any) -> Any:
    with pytest.raises(InvalidDocument) as caught:
        read(text, **options)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_yaml_values_know_their_lines() -> None:
    (document,) = read("jobs:\n- name: a\n  command:\n  - sh\n")

    assert document.value == {"jobs": [{"name": "a", "command": ["sh"]}]}
    assert document.lines["jobs", 0, "name"] == 2
    assert document.lines["jobs", 0, "command", 0] == 4


def test_json_is_read_without_the_yaml_reader() -> None:
    (document,) = read(b' {"name": "a", "n": [1, 2.5, null, true]}')

    assert document.value == {"name": "a", "n": [1, 2.5, None, True]}


def test_json_values_know_their_lines_too() -> None:
    text = """
{
  "a": [
    1,
    {"b": [], "c": {}}, "x\\"]\\n"
  ],
  "d" :
     true
}
"""

    (document,) = read(text)

    assert dict(document.lines) == {
        (): 2,
        ("a",): 3,
        ("a", 0): 4,
        ("a", 1): 5,
        ("a", 1, "b"): 5,
        ("a", 1, "c"): 5,
        ("a", 2): 5,
        ("d",): 7,
    }


def test_a_flow_mapping_that_is_no_json_is_still_yaml() -> None:
    assert read("{name: a}")[0].value == {"name": "a"}


def test_every_document_of_a_file_is_read_and_empty_ones_are_not() -> None:
    documents = read("---\na: 1\n---\n---\nb: 2\n")

    assert [document.value for document in documents] == [{"a": 1}, {"b": 2}]
    assert documents[1].lines["b",] == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("~", None),
        ("True", True),
        ("0o14", 12),
        ("0x1F", 31),
        ("0644", 644),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("-", [None]),
        ("+", "+"),
        (".5", 0.5),
    ],
)
def test_words_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    found = read(f"v: {text}" if text != "-" else "v:\n-")[0].value["v"]

    assert found == value
    assert type(found) is type(value)


def test_aliases_and_merges_are_followed() -> None:
    text = "base: &b {x: 1, y: 2}\none: *b\ntwo: {<<: *b, y: 3}\n"

    value = read(text)[0].value

    assert value["one"] == {"x": 1, "y": 2}
    assert value["two"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: [1\nc: 2\n", 3, "flow sequence"),
        ("a: 1\na: 2\n", 2, "twice"),
        ("a: 1\nb: *nowhere\n", 2, "no anchor"),
        ("a: &a [*a]\n", 1, "no anchor"),
        ("a: 1\nb: !python/object x\n", 2, "tag"),
        ("a: 1\nb: !!int x\n", 2, "tag"),
        ("a: 1\nb: !!seq x\n", 2, "tag"),
        ("a: 1\n? [x]\n: 2\n", 2, "is text"),
        ("a: 1\nb: .inf\n", 2, "finite"),
        ("a: 1\nb: " + "9" * 5000, 2, "digits"),
        ('a: 1\nb: "\\0"\n', 2, "U+0000"),
        ("a: 1\n<<: 5\n", 2, "merges"),
        ("a: \x01", 1, "U+0001"),
        ("a: b: c\n", 1, "not YAML"),
    ],
)
def test_bad_yaml_is_named_with_its_line(text: str, line: int, word: str) -> None:
    problem = problem_of(text)

    assert problem.line == line
    assert word in problem.message


@pytest.mark.parametrize(
    ("text", "path", "word"),
    [
        ('{"a": 1,\n"a": 2}', "a", "twice"),
        ('{"x": {"a": 1,\n"a": 2}}', "x.a", "twice"),
        ('{"a":\nNaN}', "a", "finite"),
        ('{"a": [5,\n1e999]}', "a[1]", "finite"),
        ('{"a":\n"\\u0000"}', "a", "U+0000"),
        ('{"a":\n"\\ud800"}', "a", "surrogate"),
        ('{\n"\\ud800": 1}', "", "surrogate"),
        ('{"a":\n' + "9" * 5000 + "}", "a", "5000 digits"),
        ('{"a":\n-' + "9" * 5000 + "}", "a", "5000 digits"),
        ("\n" + "[" * 102 + "]" * 102, "", "levels deep"),
        ("[0,\n" + "0," * 100_000 + "0]", "", "more than 100,000 values"),
    ],
)
def test_bad_json_is_named_with_its_line(text: str, path: str, word: str) -> None:
    problem = problem_of(text)

    assert (problem.path, problem.line) == (path, 2)
    assert word in problem.message


@pytest.mark.parametrize("element", ["[]", '{"a":0}'])
def test_a_flood_of_values_is_refused_before_they_take_memory(element: str) -> None:
    text = f"[{','.join([element] * 1_000_000)}]"
    tracemalloc.start()

    problem = problem_of(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "more than 100,000 values" in problem.message
    # A place for each of the first 100,000 values, and a copy of the text.
    assert peak < 50_000_000 + len(text)


def test_many_commas_in_texts_are_no_flood() -> None:
    text = json.dumps({"a": "," * 200_000, "b": "[{" * 100_000})

    assert read(text, limits=Limits(nodes=3))[0].value == json.loads(text)


@given(st.text('[]{}",: 01\\truefalsn', max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_the_finder_comes_to_an_end_whatever_it_is_given(text: str, at: int, nodes: int) -> None:
    broken = '{"a": [1, {"b": "c"}, null]}'[:at] + text
    try:
        read(broken, syntax="json", limits=Limits(nodes=nodes))
    except InvalidDocument as error:
        assert error.problems  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, "[" * 100_000, '{"a":' * 100_000])
def test_json_far_too_deep_is_refused(text: str) -> None:
    assert "levels deep" in problem_of(text).message


def test_json_that_must_be_json_is_named_with_its_line() -> None:
    problem = problem_of('{\n"a": 1\n"b": 2}', syntax="json")

    assert problem.line == 3
    assert "not JSON" in problem.message


def test_invalid_utf8_is_named_with_its_line() -> None:
    problem = problem_of(b"a: 1\nb: \xff\n")

    assert problem.line == 2
    assert "0xff" in problem.message


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert read("\ufeffa: 1".encode())[0].value == {"a": 1}
    assert read("\ufeffa: 1")[0].value == {"a": 1}


def test_a_document_over_the_size_limit_is_not_even_looked_at() -> None:
    with pytest.raises(TooLarge, match="more than 100 bytes"):
        read(b"#" * 101, limits=Limits(size=100))
    with pytest.raises(TooLarge):
        read("é" * 60, limits=Limits(size=100))


@pytest.mark.parametrize("text", [json.dumps([0] * 100), "\n".join(["- 0"] * 100)])
def test_a_document_over_the_node_limit_is_refused(text: str) -> None:
    assert read(text, limits=Limits(nodes=101))
    assert "more than 100 values" in problem_of(text, limits=Limits(nodes=100)).message


def test_an_alias_bomb_is_refused_at_once() -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 30)]
    text = "l0: &l0 [x, x, x]\n" + "\n".join(levels)
    start = time.process_time()

    problem = problem_of(text)

    assert problem.code == "TooMany"
    assert time.process_time() - start < 1


def test_tabs_may_stand_where_yaml_lets_them() -> None:
    [document] = read("a:\tb\t\nc: d\t# told\n")

    assert document.value == {"a": "b", "c": "d"}


def test_nesting_is_bounded_in_yaml_too() -> None:
    assert "levels deep" in problem_of("a: " + "[" * 200 + "]" * 200).message
    assert problem_of("a: " + "[" * 50_000).message


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab<", max_size=3), inner),
    max_leaves=20,
)


@given(plain)
def test_json_is_read_as_it_is(value: Any) -> None:
    documents = read(json.dumps(value), syntax="json")

    assert [document.value for document in documents] == [value]


@given(st.text(max_size=200) | st.text("-:[]{}&*!|>'\"#% ab\n\t?,<", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except InvalidDocument as error:
        assert error.problems  # noqa: PT017 - either outcome is right


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read(data)
    except InvalidDocument as error:
        assert error.problems  # noqa: PT017 - either outcome is right
