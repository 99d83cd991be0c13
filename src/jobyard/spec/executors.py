"""Which executor runs a job, and what that executor asks of the job's program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from jobyard.spec.report import Kept, Place
    from jobyard.spec.validate import Case

PROCESS = "process"
CONTAINER = "container"
FAKE = "fake"
HERE = (PROCESS, FAKE)
"""The executors that need nothing but this host."""


def choose(
    values: Mapping[str, Any], where: Mapping[str, Place], available: Collection[str]
) -> str:
    """Find the executor that a draft asks for, by name or by its image."""
    image = next((name for name in ("image", "image_from_build") if name in values), None)
    if "executor" in values:
        named = str(values["executor"])
        if named not in available:
            unavailable(where["executor"], named, available)
        return named
    if image is None:
        return PROCESS
    if CONTAINER not in available:
        where[image].problem(
            "needs a container executor, and there is none here",
            code="NotSupported",
            value=values[image],
            legal="`--executor process` (`?executor=process`) runs the command on this host",
        )
    return CONTAINER


def unavailable(place: Place, name: str, available: Collection[str]) -> None:
    """Report an executor that is not there."""
    legal = ", ".join(sorted(available))
    place.problem("no such executor here", code="NotSupported", value=name, legal=legal)


def part_unused(part: Kept, executor: str) -> bool:
    """Report a part that is not used; False when the process executor refuses it as essential."""
    if part.essential and executor == PROCESS:
        message = f"not possible with the process executor: {part.essential}"
        part.place.problem(message, code="NotSupported", value=part.value)
        return False
    part.place.warning(f"not used by the {executor} executor")
    return True


def check_program(case: Case, builds: frozenset[str] | None) -> None:
    """Examine image, build, command and volumes; ``builds`` None means that none are declared."""
    program = case.spec.program
    if program.image is not None and program.image_from_build is not None:
        message, value = f"given together with {case.called('image')}", program.image_from_build
        case.at("image_from_build").problem(message, value=value, legal="exactly one of them")
    elif program.image_from_build is not None:
        _check_build(case, builds, program.image_from_build)
    elif program.image is None and case.spec.executor == CONTAINER and case.sound("image"):
        case.at("image").problem("missing", code="Required", legal="an image to run")
    if program.fake is not None and case.spec.executor != FAKE:
        case.at("fake").warning(f"not used by the {case.spec.executor} executor")
    if case.spec.executor == PROCESS:
        _check_command(case)
        _check_mounts(case)


def _check_build(case: Case, builds: frozenset[str] | None, name: str) -> None:
    here, executor = case.at("image_from_build"), case.spec.executor
    if builds is not None and name not in builds:
        legal = ", ".join(sorted(builds)) or "no build is declared"
        here.problem("no build is called so", code="NotSupported", value=name, legal=legal)
    elif builds is None and executor in HERE:
        message = f"not used by the {executor} executor; no build is declared"
        here.warning(message, value=name)
    elif builds is None:
        legal = "a name in `builds:`"
        here.problem("no build is called so", code="NotSupported", value=name, legal=legal)


def _check_command(case: Case) -> None:
    program = case.spec.program
    if program.command or not case.sound("command"):
        return
    from_image = program.image is not None or program.image_from_build is not None
    message = "missing; what an image would run is not known here" if from_image else "missing"
    legal = "the program and its arguments, as a list"
    case.at("command").problem(message, code="Required", legal=legal)


def _check_mounts(case: Case) -> None:
    if case.spec.program.secrets:
        case.at("secrets").warning("not used by the process executor")
    for number, path in enumerate(case.spec.program.scratch_volumes):
        variable = f"JOBYARD_VOLUME_{number}"
        case.at("mounts" if case.manifest else "volumes").warning(
            f"an empty folder, but not at this path: `{variable}` says where", value=path
        )
    if case.manifest:
        # A manifest's volumes are kept parts and have been refused as such.
        return
    for volume in case.spec.program.volumes:
        case.at("volumes").problem(
            "not possible with the process executor: not an empty folder with a place",
            code="NotSupported",
            value=volume.get("name"),
            legal="empty_dir and mount_path",
        )
