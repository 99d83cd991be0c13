"""The tree of errors is one: what is drawn, what is exported and what there is."""

from __future__ import annotations

import re

from jobyard import errors


def test_every_error_is_in_the_drawn_tree_with_its_parent() -> None:
    drawn = {}
    above = ["JobyardError"]
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([ │├└─]*)[├└]── (\w+)", line):
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            drawn[found[2]] = above[depth - 1]

    assert drawn == {kind.__name__: kind.__mro__[1].__name__ for kind in errors.family()}


def test_every_error_can_be_imported_from_the_package() -> None:
    assert {kind.__name__ for kind in errors.family()} <= set(errors.__all__)
    assert all(hasattr(errors, name) for name in errors.__all__)


def test_errors_of_other_rooms_are_not_of_the_family() -> None:
    class Strange(errors.NotFound):
        """Of another room."""

    assert Strange not in errors.family()
