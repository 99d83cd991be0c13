"""What plain words of YAML 1.2 mean: null, booleans, numbers, or the text they are."""

from __future__ import annotations

import re
from typing import Any

_LONGEST_NUMBER = 400

_INTEGERS = (
    (re.compile(r"[-+]?[0-9]+\Z"), 0, 10),
    (re.compile(r"0o[0-7]+\Z"), 2, 8),
    (re.compile(r"0x[0-9a-fA-F]+\Z"), 2, 16),
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def scalar(text: str) -> Any:
    """Resolve a plain scalar as the core schema of YAML 1.2 does.

    Raises:
        ValueError: a number with more digits than any field can mean.
    """
    if text in _WORDS:
        return _WORDS[text]
    if not (text[0].isdigit() or text[0] in "+-."):
        return text
    for grammar, prefix, base in _INTEGERS:
        if grammar.match(text):
            return _bounded(text[prefix:], base)
    return float(text) if _FLOAT.match(text) else text


def _bounded(digits: str, base: int) -> int:
    if len(digits) > _LONGEST_NUMBER:
        msg = f"a number of {len(digits)} digits"
        raise ValueError(msg)
    return int(digits, base)
