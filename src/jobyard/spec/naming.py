"""The grammars of names: DNS labels, labels and annotations, environment variables."""

from __future__ import annotations

import re
from typing import Any

LABEL_LENGTH = 63
SUBDOMAIN_LENGTH = 253
ANNOTATIONS_SIZE = 256 * 1024

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z")
_VARIABLE = re.compile(r"[ -<>-~]+\Z")
_HTTP_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+\Z")
_IMAGE = re.compile(r"[!-~]{1,1024}\Z")
_WORKER = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z|[A-Za-z0-9][-A-Za-z0-9_.]*\*\Z")

_HASH = re.compile(r"[0-9a-f]{64}\Z")
_NUMBER, _WORD = r"(0|[1-9][0-9]{0,8})", r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
VERSION = (
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_WORD}(\.{_WORD})*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
"""A version of semver.org, with numbers that a database can hold."""
DATASET_SPACE = r"[a-z0-9_]{1,63}"
DATASET = r"[a-z_][a-z0-9_]{0,62}"
TABLE = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"
PROVIDER = r"[A-Za-z0-9][-A-Za-z0-9_.]{0,127}"
NETWORK = r"[A-Za-z0-9][-A-Za-z0-9_.]{0,62}"
MOST_VERSION = 100
"""Characters of a version."""

DATASET_SPACE_RULE = "lower-case letters, digits and `_`, at most 63"
DATASET_RULE = "lower-case letters, digits and `_`, no digit first, at most 63"
TABLE_RULE = "letters, digits, `_` and `$`, a letter or `_` first, at most 63"
PROVIDER_RULE = "letters, digits, `-`, `_` and `.`, a letter or digit first, at most 128"
NETWORK_RULE = "letters, digits, `-`, `_` and `.`, a letter or digit first, at most 63"
VERSION_RULE = "a version such as 1.2.0"
REVISION_RULE = "a version such as 1.2.0, a manifest's hash, `latest` or `dev`"
LATEST, DEV = "latest", "dev"
"""Revisions of every dataset: its highest version, and what was registered last."""

LABEL_RULE = "lower-case letters, digits and `-`, a letter or digit at both ends, at most 63"
SUBDOMAIN_RULE = (
    "lower-case letters, digits, `-` and `.`, a letter or digit at both ends, at most 253"
)
QUALIFIED_RULE = "letters, digits, `-`, `_` and `.`, a letter or digit at both ends, at most 63"
KEY_RULE = f"[domain/]name, the name of {QUALIFIED_RULE}"
VARIABLE_RULE = "printable ASCII characters except `=`"
IMAGE_RULE = "the name of an image: no spaces, printable ASCII, at most 1024 characters"
WORKER_RULE = "a worker's id, or its beginning and one `*`"


def is_label(name: str) -> bool:
    """Tell whether a name is a DNS-1123 label, so that it can be a host's name."""
    return len(name) <= LABEL_LENGTH and _LABEL.match(name) is not None


def is_subdomain(name: str) -> bool:
    """Tell whether a name is a DNS-1123 subdomain, as Kubernetes asks of most names."""
    return len(name) <= SUBDOMAIN_LENGTH and _SUBDOMAIN.match(name) is not None


def is_qualified_name(key: str) -> bool:
    """Tell whether a text may be the key of a label, an annotation or a condition's type."""
    prefix, slash, name = key.rpartition("/")
    if slash and not is_subdomain(prefix):
        return False
    return len(name) <= LABEL_LENGTH and _QUALIFIED.match(name) is not None


def is_label_value(value: str) -> bool:
    """Tell whether a text may be the value of a label; it may be empty."""
    return not value or (len(value) <= LABEL_LENGTH and _QUALIFIED.match(value) is not None)


def is_variable(name: str) -> bool:
    """Tell whether a text may name an environment variable."""
    return _VARIABLE.match(name) is not None


def is_domain_path(text: str) -> bool:
    """Tell whether a text is a domain, a slash and a path, as ``managedBy`` must be."""
    domain, _, path = text.partition("/")
    return bool(path) and is_subdomain(domain) and _HTTP_PATH.match(path) is not None


def is_image(text: str) -> bool:
    """Tell whether a text may name an image; the container engine knows the finer grammar."""
    return _IMAGE.match(text) is not None


def is_worker_pattern(text: str) -> bool:
    """Tell whether a text may name a worker, or the workers whose id begins with it (``abc*``)."""
    return len(text) <= SUBDOMAIN_LENGTH and _WORKER.match(text) is not None


def is_dataset_space(name: str) -> bool:
    """Tell whether a text may be the namespace of datasets."""
    return re.fullmatch(DATASET_SPACE, name) is not None


def is_dataset(name: str) -> bool:
    """Tell whether a text may name a dataset in its namespace."""
    return re.fullmatch(DATASET, name) is not None


def is_table(name: str) -> bool:
    """Tell whether a text may name a table."""
    return re.fullmatch(TABLE, name) is not None


def is_provider(name: str) -> bool:
    """Tell whether a text may name a provider."""
    return re.fullmatch(PROVIDER, name) is not None


def is_network(name: str) -> bool:
    """Tell whether a text may name a network of chains."""
    return re.fullmatch(NETWORK, name) is not None


def is_manifest_hash(text: str) -> bool:
    """Tell whether a text may be the hash of a manifest."""
    return _HASH.match(text) is not None


def is_version(text: str) -> bool:
    """Tell whether a text is a version (semver.org)."""
    return len(text) <= MOST_VERSION and re.fullmatch(VERSION, text) is not None


def is_revision(text: str) -> bool:
    """Tell whether a text may name a revision of a dataset."""
    return text in {LATEST, DEV} or is_manifest_hash(text) or is_version(text)


def precedence(version: str) -> tuple[Any, ...]:
    """Give what versions are ordered by: a version before its release, build data last of all."""
    release, _, before = version.partition("+")[0].partition("-")
    parts = [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in (before.split(".") if before else ())
    ]
    return (*map(int, release.split(".")), not before, parts, version)
