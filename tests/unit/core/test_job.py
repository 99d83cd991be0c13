from __future__ import annotations

import pytest

from jobyard.core.job import JobSpec, Program


def test_what_a_document_leaves_out_is_empty_and_stays_so() -> None:
    spec = JobSpec("job", Program())
    assert (spec.labels, spec.program.env, spec.unused) == ({}, {}, {})
    with pytest.raises(TypeError):
        spec.labels["team"] = "a"  # type: ignore[index]
