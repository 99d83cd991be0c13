"""What both shapes say about a program: command, environment, resources, policies' rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobyard.core.job import Resources
from jobyard.spec.kinds import ListOf, Text
from jobyard.spec.naming import KEY_RULE, VARIABLE_RULE, is_qualified_name, is_variable
from jobyard.spec.report import BROKEN, kind_of

if TYPE_CHECKING:
    from decimal import Decimal

    from jobyard.spec.kinds import Schema
    from jobyard.spec.report import Place

_LARGEST = 2**63 - 1
_ABSURD = 1e60
"""No unit makes an amount of it; longer digits are not even read."""
QUANTITY_RULE = "a number, with a suffix such as m, k, M, G, Ki, Mi or Gi if need be"

ARGUMENTS = ListOf(
    Text(),
    hint='a list such as ["echo", "hello"]; for a shell write [sh, -c, "…"]',
)
"""An argument vector; a single text is refused because nothing here passes text to a shell."""

_INDEX_FIELDS = (
    "metadata.annotations['batch.kubernetes.io/job-completion-index']",
    "metadata.labels['batch.kubernetes.io/job-completion-index']",
)


@dataclass(frozen=True)
class Environment:
    """Environment variables: a list of names and values, or (``mapping``) a mapping."""

    mapping: bool = False

    def read(self, value: Any, place: Place) -> Any:
        """Take either form, as a dict in the order of the document."""
        if self.mapping and isinstance(value, dict):
            entries = [(name, text, place / name) for name, text in value.items()]
        elif isinstance(value, list):
            entries = [_entry(element, place / at) for at, element in enumerate(value)]
        else:
            forms = "a list of {name, value}" + (" or a mapping" if self.mapping else "")
            return place.problem(f"must be {forms}, not {kind_of(value)}", value=value)
        return dict(filter(None, (_variable(*entry) for entry in entries)))

    def schema(self) -> Schema:
        """Describe the forms."""
        source = {"type": "object", "description": "refused by the process executor"}
        entry: Schema = {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "value": {"type": "string"},
                "valueFrom": source,
            },
        }
        listed: Schema = {"type": "array", "items": entry}
        if not self.mapping:
            return listed
        return {"anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, listed]}


def _entry(element: Any, place: Place) -> tuple[Any, Any, Place]:
    if not isinstance(element, dict):
        place.problem("must be {name, value}", value=element)
        return None, None, place
    for name in element:
        if name not in ("name", "value", "valueFrom", "value_from"):
            message = f"an environment variable has no field `{name}`"
            (place / name).problem(message, code="Unknown", legal="name, value, valueFrom")
    if "name" not in element:
        (place / "name").problem("missing", code="Required", legal=VARIABLE_RULE)
        return None, None, place
    source = element.get("valueFrom", element.get("value_from"))
    if source is None:
        return element["name"], element.get("value", ""), place / "value"
    if element.get("value"):
        place.problem("has both a value and a valueFrom", legal="exactly one of them")
    return element["name"], _from_elsewhere(source, place / "valueFrom"), place / "value"


def _from_elsewhere(source: Any, place: Place) -> str | None:
    if isinstance(source, dict) and len(source) == 1:
        reference = source.get("fieldRef")
        if isinstance(reference, dict) and reference.get("fieldPath") in _INDEX_FIELDS:
            return "$(JOB_COMPLETION_INDEX)"
        place.keep(source, f"`{next(iter(source))}` takes a value from a cluster that is not here")
        return None
    place.problem(
        "names no single source",
        value=source,
        legal="one of configMapKeyRef, fieldRef, resourceFieldRef, secretKeyRef",
    )
    return None


def _variable(name: Any, text: Any, place: Place) -> tuple[str, str] | None:
    if name is None:
        return None
    if not isinstance(name, str) or not is_variable(name):
        place.problem("not a name for a variable", value=name, legal=VARIABLE_RULE)
        return None
    if text is None:
        return None
    if Text().read(text, place) is BROKEN:
        return None
    return name, text


@dataclass(frozen=True)
class ResourceList:
    """Amounts by resource: CPU in cores, memory in bytes; others are kept, not used."""

    def read(self, value: Any, place: Place) -> Any:
        """Take a mapping of quantities, as a dict of those that count here."""
        if not isinstance(value, dict):
            return place.problem(f"must be a mapping, not {kind_of(value)}", value=value)
        amounts: dict[str, Decimal] = {}
        for name, text in value.items():
            amount = _amount(text, place / name)
            if not is_qualified_name(name):
                (place / name).problem("not a resource's name", value=name, legal=KEY_RULE)
            elif amount is not None and name in ("cpu", "memory"):
                amounts[name] = amount
            elif amount is not None:
                (place / name).keep(text)
        return amounts

    def schema(self) -> Schema:
        """Describe a mapping of quantities."""
        amount = {"type": ["string", "number"], "description": QUANTITY_RULE}
        return {"type": "object", "additionalProperties": amount}


def _amount(value: Any, place: Place) -> Decimal | None:
    # Decimal arithmetic takes longer to import than most documents take to check.
    from jobyard.spec.quantity import quantity

    written = str(value) if isinstance(value, (int, float)) and abs(value) < _ABSURD else value
    amount = quantity(written) if isinstance(written, str) and value is not True else None
    if amount is None or value is False:
        place.problem("not a quantity", value=value, legal=QUANTITY_RULE)
        return None
    if not 0 <= amount <= _LARGEST:
        message = "must be 0 or more" if amount < 0 else "too large"
        place.problem(message, value=value, legal=f"0 to {_LARGEST}")
        return None
    return amount


def resources(values: dict[str, Any]) -> Resources:
    """Build the model's resources; a limit without a request is the request too."""
    limits, requests = values.get("limits", {}), values.get("requests", {})
    asked = {**limits, **requests}
    return Resources(
        request_cpu=float(asked.get("cpu", 0)),
        request_memory=_bytes(asked.get("memory")) or 0,
        limit_cpu=float(limits["cpu"]) if "cpu" in limits else None,
        limit_memory=_bytes(limits.get("memory")),
    )


def _bytes(amount: Decimal | None) -> int | None:
    """Round up to whole bytes, as Kubernetes does."""
    return None if amount is None else math.ceil(amount)
