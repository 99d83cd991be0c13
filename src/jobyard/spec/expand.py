"""``$(VAR)`` in commands, arguments and environments, as Kubernetes expands it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.core.job import Program

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value; an unknown one stays as written, ``$$`` is one ``$``."""
    if "$" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return variables.get(match[2], match[0])

    return _REFERENCE.sub(value, text)


def environment(program: Program, known: Mapping[str, str]) -> dict[str, str]:
    """Expand the program's variables, in order, over those the attempt brings.

    An entry may refer to entries before it and to ``known``; it wins over a known one of its name.
    """
    variables = dict(known)
    for name, value in program.env.items():
        variables[name] = expand(value, variables)
    return variables


def argument_vector(program: Program, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Expand command and arguments with the environment of the attempt."""
    return tuple(expand(word, variables) for word in (*program.command, *program.args))
