"""The stage of the conformance suite: every test on it runs on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobyard.testing.stage import Stage, postgres_stage, sqlite_stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobyard.testing.postgres import PrivatePostgres


@pytest.fixture(scope="session")
def conformance_postgres(postgres: PrivatePostgres) -> Iterator[Stage]:
    """One database for the suite: clearing it is ten times as quick as making one."""
    with postgres_stage(postgres.create_database("conformance")) as stage:
        yield stage


@pytest.fixture(params=["sqlite", "postgres"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """An empty store with a clock of the test's own."""
    if request.param == "sqlite":
        with sqlite_stage(tmp_path) as stage:
            yield stage
    else:
        stage = request.getfixturevalue("conformance_postgres")
        stage.clear()
        yield stage
