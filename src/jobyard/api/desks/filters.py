"""The filters by which people choose jobs, from text to what a store understands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from jobyard.api.moments import MICROSECONDS, moment
from jobyard.core.states import TERMINAL
from jobyard.duration import DURATION_RULE, seconds
from jobyard.errors import InvalidQueryParam, printable
from jobyard.spec.naming import is_label_value, is_qualified_name, is_worker_pattern
from jobyard.store.base import JobQuery, LabelFilter
from jobyard.wire.words import WORDS, statuses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobyard.core.states import JobStatus

Wrong = type[InvalidQueryParam]
"""The error that a filter is refused with: lists and deletions have codes of their own."""

_WHOLE = re.compile(r"[0-9]{1,12}")


class Filters(NamedTuple):
    """Filters as people write them; None and nothing leave no job out."""

    status: str
    name: str | None = None
    namespace: str | None = None
    labels: Sequence[str] = ()
    trigger: str | None = None
    worker_id: str | None = None
    workflow_id: int | None = None
    dataset: str | None = None
    created_after: str | None = None


def query_of(filters: Filters, wrong: Wrong) -> JobQuery:
    """Read filters.

    Raises:
        InvalidQueryParam: one is not understood; it is one of the kind ``wrong``.
    """
    return JobQuery(
        statuses=statuses(filters.status, wrong),
        name=_named("name", filters.name, wrong),
        namespace=_named("namespace", filters.namespace, wrong),
        labels=tuple(label_filters(filters.labels, wrong)),
        trigger=_named("trigger", filters.trigger, wrong),
        worker_id=_worker(filters.worker_id, wrong),
        workflow_id=filters.workflow_id,
        dataset=_dataset(filters.dataset, wrong),
        created_after=_created_after(filters.created_after, wrong),
    )


def ended_statuses(words: str) -> tuple[JobStatus, ...]:
    """Read the words for what is to be deleted: only what is over can be.

    Raises:
        InvalidQueryParam: a word is unknown, or means jobs that are not over.
    """
    legal = [word for word, meant in WORDS.items() if set(meant) <= set(TERMINAL)]
    found = statuses(words)
    if found is None or not set(found) <= set(TERMINAL):
        raise InvalidQueryParam(
            f"status `{words}` names jobs that are not over",
            hint=f"one or more, with commas, of {', '.join(legal)}",
            parameter="status",
            legal=legal,
        )
    return found


def before(older_than: str | None, now: int) -> int:
    """Turn an age into the time before which that old jobs ended; both are in microseconds.

    Without an age it is ``now``, this very moment included: who goes on until nothing is left is
    not to chase what ends meanwhile.

    Raises:
        InvalidQueryParam: it is no duration.
    """
    if older_than is None:
        return now + 1
    age = float(older_than) if _WHOLE.fullmatch(older_than) else seconds(older_than)
    if age is None or age * MICROSECONDS > now:
        raise InvalidQueryParam(
            f"older_than is `{older_than}`", hint=f"it is {DURATION_RULE}", parameter="older_than"
        )
    return now - int(age * MICROSECONDS)


def label_filters(texts: Sequence[str], wrong: Wrong) -> Iterator[LabelFilter]:
    """Read `key=value` and `key!=value`; commas stand between several in one text.

    Raises:
        InvalidQueryParam: one is neither.
    """
    for text in (part.strip() for given in texts for part in given.split(",")):
        key, sign, value = text.partition("!=")
        if not sign:
            key, sign, value = text.partition("=")
            value = value.removeprefix("=")
        key, value = key.strip(), value.strip()
        if not (sign and is_qualified_name(key) and is_label_value(value)):
            raise wrong(
                f"label is `{text}`", hint="it is `key=value` or `key!=value`", parameter="label"
            )
        yield LabelFilter(key, value, equal=sign == "=")


def _worker(text: str | None, wrong: Wrong) -> str | None:
    if text is not None and not is_worker_pattern(text):
        raise wrong(
            f"worker_id is `{text}`",
            hint="it is a worker's id, or its beginning and one `*`",
            parameter="worker_id",
        )
    return text


def _dataset(text: str | None, wrong: Wrong) -> str | None:
    if text is None:
        return None
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name and text.isprintable()) or "/" in name:
        raise wrong(f"dataset is `{text}`", hint="it is `namespace/name`", parameter="dataset")
    return text


def _created_after(text: str | None, wrong: Wrong) -> int | None:
    if text is None:
        return None
    found = moment(text)
    if found is None:
        raise wrong(
            f"created_after is `{text}`",
            hint="it is RFC 3339 with a zone, such as 2030-01-31T08:00:00Z",
            parameter="created_after",
        )
    return found


def _named(parameter: str, text: str | None, wrong: Wrong) -> str | None:
    """Check what jobs are called by: PostgreSQL has no text at all for some characters."""
    if text is not None and not text.isprintable():
        raise wrong(
            f"{parameter} is `{printable(text)}`",
            hint="nothing is called by control characters",
            parameter=parameter,
        )
    return text
