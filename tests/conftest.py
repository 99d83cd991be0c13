"""Fixtures and settings that every test may use."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings

from jobyard.testing.postgres import PostgresMissing, PrivatePostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_CI = bool(os.environ.get("CI"))

settings.register_profile("dev", max_examples=60, deadline=None)
settings.register_profile("ci", max_examples=300, deadline=None, print_blob=True)
settings.register_profile("nightly", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if IN_CI else "dev"))

_database_numbers = itertools.count(1)


def missing_service(how_to_get_it: str) -> NoReturn:
    """End a test whose service is not here: a failure in CI, a skip on a laptop."""
    if IN_CI:
        pytest.fail(how_to_get_it, pytrace=False)
    pytest.skip(how_to_get_it)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """One server for the whole session, without fsync: for tests that do not restart it."""
    try:
        server = PrivatePostgres(fsync=False)
    except PostgresMissing as missing:
        missing_service(str(missing))
    with server:
        yield server


@pytest.fixture
def postgres_dsn(postgres: PrivatePostgres) -> Iterator[str]:
    """An empty database of the test's own, dropped afterwards with whoever is still connected."""
    name = f"test_{next(_database_numbers)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)
