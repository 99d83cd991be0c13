"""The environment of a program: exactly what its launch says, and little that is said for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.executor.base import Launch

INHERITED = ("PATH", "HOME", "LANG")
SESSION = "JOBYARD_SESSION"
ATTEMPT = "JOBYARD_ATTEMPT_ID"


def inherit(source: Mapping[str, str]) -> dict[str, str]:
    """Pick what a program gets from its worker when its launch does not say otherwise."""
    return {name: source[name] for name in INHERITED if name in source}


def build(launch: Launch, base: Mapping[str, str], session: str, scratch: str) -> dict[str, str]:
    """Build the whole environment of one program.

    ``base`` is what ``inherit`` picked. The last word is the executor's: the markers by which its
    processes are found again and the paths into its scratch folder. An emptyDir volume is a
    folder there, and ``JOBYARD_VOLUME_0``, ``_1``, … say where, in the order of the spec.
    """
    env = {
        **base,
        **launch.env,
        ATTEMPT: str(launch.attempt_id),
        SESSION: session,
        "JOBYARD_SCRATCH": scratch,
        "JOBYARD_PROGRESS": f"{scratch}/progress",
        "JOBYARD_RESULT": f"{scratch}/result",
        "JOBYARD_RETRY": f"{scratch}/retry",
    }
    for number in range(len(launch.program.scratch_volumes)):
        env[f"JOBYARD_VOLUME_{number}"] = f"{scratch}/volumes/{number}"
    return env
