"""How people write which dataset they mean: ``namespace/name@revision``."""

from __future__ import annotations

from typing import NamedTuple

from jobyard.errors import InvalidPath
from jobyard.spec import naming

DEFAULT_SPACE = "_"
"""The namespace of datasets that are named without one."""


class Reference(NamedTuple):
    """A dataset's name and a revision of it."""

    namespace: str
    name: str
    revision: str

    def __str__(self) -> str:
        """Write it as people do."""
        return f"{self.namespace}/{self.name}@{self.revision}"


def reference(text: str, revision: str = naming.LATEST) -> Reference:
    """Read ``namespace/name@revision``; ``revision`` stands in for one that is not given.

    Raises:
        InvalidPath: it is nothing of the kind.
    """
    full_name, at, found = text.partition("@")
    namespace, slash, name = full_name.partition("/")
    if not slash:
        namespace, name = DEFAULT_SPACE, namespace
    check(namespace, name, found if at else revision)
    return Reference(namespace, name, found if at else revision)


def check(namespace: str, name: str, revision: str | None = None) -> None:
    """Check the parts of a name.

    Raises:
        InvalidPath: one of them is not legal.
    """
    space_rule = naming.DATASET_SPACE_RULE
    legal = (
        (naming.is_dataset_space, namespace, "the namespace of a dataset", space_rule),
        (naming.is_dataset, name, "the name of a dataset", naming.DATASET_RULE),
        (naming.is_revision, revision, "a revision of a dataset", naming.REVISION_RULE),
    )  # fmt: skip
    for accepts, text, what, rule in legal:
        if text is not None and not accepts(text):
            raise InvalidPath(f"`{text}` is not {what}", hint=rule, value=text)


def check_version(text: str) -> str:
    """Check a version that a dataset is to have, or has.

    Raises:
        InvalidPath: it is none.
    """
    if not naming.is_version(text):
        raise InvalidPath(
            f"`{text}` is not a version of a dataset", hint=naming.VERSION_RULE, value=text
        )
    return text


def is_pinned(text: str) -> bool:
    """Tell whether a text names a revision that stays what it is: a version or a hash."""
    full_name, _, revision = text.partition("@")
    namespace, slash, name = full_name.partition("/")
    return (
        bool(slash)
        and naming.is_dataset_space(namespace)
        and naming.is_dataset(name)
        and (naming.is_version(revision) or naming.is_manifest_hash(revision))
    )
