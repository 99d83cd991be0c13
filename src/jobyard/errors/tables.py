"""Errors of tables: their revisions and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.errors.conflicts import Conflict
from jobyard.errors.missing import NotFound
from jobyard.errors.requests import InvalidRequest
from jobyard.errors.root import JobyardError

if TYPE_CHECKING:
    from collections.abc import Sequence


class TableNotInManifest(NotFound):
    """The manifest of this dataset's revision has no such table."""

    slug = "table-not-in-manifest"
    title = "The manifest has no such table"
    code = "TABLE_NOT_IN_MANIFEST"

    def __init__(self, dataset: str, table: str, tables: Sequence[str] = ()) -> None:
        """Name the dataset, the table and those that there are."""
        super().__init__(
            f"{dataset} has no table `{table}`",
            hint=f"it has {', '.join(tables)}" if tables else None,
            dataset=dataset,
            table=table,
        )


class TableNotFound(NotFound):
    """Nothing of this table is there: no revision, and where files are looked for, no file."""

    slug = "table-not-found"
    title = "Nothing of the table is there"
    code = "TABLE_NOT_FOUND"

    def __init__(self, dataset: str, table: str, place: str | None = None) -> None:
        """Name the dataset, the table and, if files were looked for, where."""
        where = "no revision" if place is None else f"no file below {place}"
        super().__init__(
            f"the table `{table}` of {dataset} has {where}",
            hint="`jobyard table list` shows all revisions; deploying the dataset begins one",
            dataset=dataset,
            table=table,
        )


class TableNotRegistered(NotFound):
    """A table without any revision has none that could become active."""

    slug = "table-not-registered"
    title = "The table has no revision"
    code = "TABLE_NOT_REGISTERED"

    def __init__(self, dataset: str, table: str) -> None:
        """Name the dataset and the table."""
        super().__init__(
            f"the table `{table}` of {dataset} has no revision",
            hint="`jobyard table register` makes a folder one; deploying the dataset begins one",
            dataset=dataset,
            table=table,
        )


class RevisionNotFound(NotFound):
    """No revision of a table has this id, or it is one of another table."""

    slug = "revision-not-found"
    title = "No such revision"
    code = "REVISION_NOT_FOUND"

    def __init__(self, revision_id: int, table: str | None = None) -> None:
        """Name it, and the table if it had to be one of that."""
        of = "a table" if table is None else f"the table `{table}`"
        super().__init__(
            f"there is no revision {revision_id} of {of}",
            hint="`jobyard table list` shows all revisions",
            revision_id=revision_id,
        )


class FileNotKnown(NotFound):
    """No file of a table has this id."""

    slug = "file-not-found"
    title = "No such file"
    code = "FILE_NOT_FOUND"

    def __init__(self, file_id: int) -> None:
        """Name it."""
        super().__init__(
            f"no file of a table has the id {file_id}",
            hint="`jobyard table files ID` shows the files of a revision",
            file_id=file_id,
        )


class InvalidPathParameters(InvalidRequest):
    """What stands in the place of a revision's id is none."""

    slug = "invalid-path-parameters"
    title = "Not the id of a revision"
    code = "INVALID_PATH_PARAMETERS"

    def __init__(self, text: str) -> None:
        """Show what was given."""
        super().__init__(
            f"`{text}` is not the id of a revision",
            hint="ids are whole numbers from 1",
            value=text,
        )


class InvalidFileId(InvalidRequest):
    """What stands in the place of a file's id is none."""

    slug = "invalid-file-id"
    title = "Not the id of a file"
    code = "INVALID_FILE_ID"

    def __init__(self, text: str) -> None:
        """Show what was given."""
        super().__init__(
            f"`{text}` is not the id of a file", hint="ids are whole numbers from 1", value=text
        )


class RevisionIsActive(Conflict):
    """The active revision of a table cannot be deleted."""

    slug = "revision-is-active"
    title = "The revision is active"
    code = "REVISION_IS_ACTIVE"

    def __init__(self, revision_id: int) -> None:
        """Name it."""
        super().__init__(
            f"revision {revision_id} is the active one of its table",
            hint="activate another one, or `jobyard table deactivate` it first",
            revision_id=revision_id,
        )


class WriterJobNotTerminal(Conflict):
    """A revision that a job writes stays as it is until the job is over."""

    slug = "writer-job-not-terminal"
    title = "A job writes the revision"
    code = "WRITER_JOB_NOT_TERMINAL"

    def __init__(self, revision_id: int, job_id: int) -> None:
        """Name the revision and the job."""
        super().__init__(
            f"job {job_id} writes revision {revision_id} and is not over",
            hint=f"wait for it, or stop it: jobyard job stop {job_id}",
            revision_id=revision_id,
            job_id=job_id,
        )


class RevisionNotRestored(Conflict):
    """A revision does not know files of its folder: the next job would take them for leftovers."""

    slug = "revision-not-restored"
    title = "The revision does not know its files"
    code = "REVISION_NOT_RESTORED"

    def __init__(self, revision_id: int, files: int) -> None:
        """Name it, and count the files."""
        super().__init__(
            f"files in the folder of revision {revision_id} are not part of it: {files}",
            hint=f"`jobyard table restore {revision_id}` makes them so; a job would remove them",
            revision_id=revision_id,
            files=files,
        )


class RevisionPathTaken(Conflict):
    """A folder is a revision of one table at most."""

    slug = "revision-path-taken"
    title = "The folder is a revision of another table"
    code = "REVISION_PATH_TAKEN"

    def __init__(self, path: str, revision_id: int) -> None:
        """Name the folder, and the revision that it is."""
        super().__init__(
            f"{path} is revision {revision_id}, of another table",
            hint=f"`jobyard table get {revision_id}` tells of which",
            path=path,
            revision_id=revision_id,
        )


class FilesRemaining(Conflict):
    """Some files of a revision that is being deleted could not be removed from storage."""

    slug = "file-metadata-remaining"
    title = "Some files are still there"
    code = "FILE_METADATA_REMAINING"

    def __init__(self, revision_id: int, deleted: int, remaining: int, why: str) -> None:
        """Count them, and say why one of them could not be."""
        super().__init__(
            f"files of revision {revision_id} that could not be removed: {remaining}; {why}",
            hint="a controller goes on trying; nothing more needs to be asked",
            revision_id=revision_id,
            files_deleted=deleted,
            files_remaining=remaining,
        )


class RegisterFilesFailed(JobyardError):
    """The folder of a revision cannot be read here, so nothing is known of its files."""

    slug = "register-files-error"
    title = "The folder cannot be read"
    status = 500
    code = "REGISTER_FILES_ERROR"
