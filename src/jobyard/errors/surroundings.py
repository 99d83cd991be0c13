"""What this place does not give: an executor, a store, a server, sound settings."""

from __future__ import annotations

from jobyard.errors.root import ExitCode, JobyardError


class Unusable(JobyardError):
    """Understood, but not to be had here."""

    slug = "unusable"
    title = "Not to be had here"
    status = 422
    code = "UNUSABLE"


class ExecutorUnavailable(Unusable):
    """A spec asks for an executor that is not there, or for what its executor cannot do."""

    slug = "executor-unavailable"
    title = "No executor can run this"
    code = "EXECUTOR_UNAVAILABLE"


class StoreUnavailable(JobyardError):
    """The database cannot be reached or cannot be written; nothing was lost that was accepted."""

    slug = "store-unavailable"
    title = "The store is not available"
    status = 503
    code = "STORE_UNAVAILABLE"
    exit_code = ExitCode.UNREACHABLE


class ServerUnreachable(JobyardError):
    """Nobody answers at the server's address."""

    slug = "server-unreachable"
    title = "The server cannot be reached"
    status = 503
    code = "SERVER_UNREACHABLE"
    exit_code = ExitCode.UNREACHABLE


class SchemaMismatch(JobyardError):
    """The database was made by a newer Jobyard than this one."""

    slug = "schema-mismatch"
    title = "The database is newer than this program"
    status = 503
    code = "SCHEMA_MISMATCH"
    exit_code = ExitCode.CONFIGURATION

    def __init__(self, found: int, known: int) -> None:
        """Name the schema version found and the newest one known."""
        super().__init__(
            f"the database has schema version {found}, this program knows {known}",
            hint="upgrade this program, or use another database",
            found=found,
            known=known,
        )


class InvalidSetting(JobyardError):
    """A flag, an environment variable or a settings file that cannot be used."""

    slug = "invalid-setting"
    title = "A setting is not valid"
    status = 500
    code = "INVALID_SETTING"
    exit_code = ExitCode.CONFIGURATION


class Internal(JobyardError):
    """A bug in Jobyard."""

    slug = "internal"
    title = "A bug in Jobyard"
    code = "INTERNAL"
    exit_code = ExitCode.BUG
