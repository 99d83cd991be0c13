"""Every error a person can meet, in one tree.

    JobyardError
    ├── InvalidDocument          400  the document as a whole cannot be read or is wrong in places
    ├── InvalidRequest           400  a parameter, header or body of a request
    │   ├── InvalidQueryParam
    │   │   ├── InvalidQueryParameters
    │   │   ├── LimitInvalid
    │   │   └── LimitTooLarge
    │   ├── InvalidJobId
    │   └── InvalidWorkerId
    ├── Unauthorized             401  no token, or one that is not known here
    ├── Forbidden                403  a token that may not do this, or a strange web page
    ├── NotFound                 404
    │   ├── JobNotFound
    │   ├── AttemptNotFound
    │   ├── EventNotFound
    │   └── WorkerNotFound
    ├── Conflict                 409
    │   ├── StateConflict             the thing is not in a status that allows this
    │   ├── JobConflict               the job is not over
    │   ├── LeaseLost                 the speaker no longer speaks for this attempt
    │   ├── IdempotencyConflict       same key, other request
    │   ├── ApplyConflict             active jobs differ in what cannot change
    │   ├── NothingToRetry            nothing of a finished job is left to run again
    │   └── WorkerIdTaken
    ├── Unusable                 422  understood, but not to be had here
    │   └── ExecutorUnavailable
    ├── MethodNotAllowed         405
    ├── RequestTimeout           408
    ├── TooLarge                 413
    ├── RangeNotSatisfiable      416
    ├── HeadersTooLarge          431
    ├── ChainFailed              502  a chain cannot be read, at some blocks
    │   ├── ProviderUnavailable       nobody answers usefully, for longer than is bearable
    │   ├── ProviderRefused           the provider does not accept who asks
    │   ├── NotJsonRpc                what answers there is no node
    │   ├── WrongChain
    │   ├── RequestRejected           the provider will never answer this request
    │   ├── BlockUnparsable
    │   ├── BlocksUnlinked            a block does not follow the one before it
    │   ├── BlocksUnavailable         before the first block that can be had
    │   ├── BlockDisproved            contradicts the chain's own hashes
    │   ├── ReceiptsMissing           a table is asked for that needs receipts
    │   └── DataFileDamaged           a Parquet file that is not what was written
    ├── InvalidProvider          400  a provider file that cannot be used
    ├── StoreUnavailable         503
    ├── ServerUnreachable             (client) nobody answers at that address
    ├── SchemaMismatch                the database is newer than this program
    ├── InvalidSetting                a flag, variable or settings file
    └── Internal                 500  a bug in Jobyard

A leaf has a slug (its page in docs/reference/errors.md), a title, an HTTP status, an error code
and an exit code; its fields are typed and its message is made from them in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

WORKER_ID_RULE = "letters, digits, `-`, `_` and `.`, a letter or digit at both ends, at most 253"


class ExitCode:
    """What the command line's exit codes mean."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNREACHABLE = 5
    BUG = 70
    CONFIGURATION = 78
    INTERRUPTED = 130


class JobyardError(Exception):
    """The root: what a caller of Jobyard may catch to catch all of them."""

    slug: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL"
    exit_code: ClassVar[int] = ExitCode.FAILED

    def __init__(self, detail: str, *, hint: str | None = None, **fields: Any) -> None:
        """Say what happened in ``detail``, what would be right in ``hint``, the facts as fields."""
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.fields = fields

    def __str__(self) -> str:
        """Read as the detail alone; the hint is printed on its own line by whoever shows it."""
        return self.detail


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document.

    ``path`` leads into the person's document (``jobs[2].backoff_limit``), ``line`` is 1-based and
    known when it came from YAML, ``value`` is what stands there, ``legal`` what could.
    """

    path: str
    message: str
    code: str = "Invalid"
    line: int | None = None
    value: Any = None
    legal: str | None = None

    def __str__(self) -> str:
        """Read as one line: where, what, what stands there, what would be legal."""
        line = f"line {self.line}" if self.line else ""
        value = '""' if self.value == "" else self.value
        found = "" if value is None else f"found: {value}"
        legal = f"legal: {self.legal}" if self.legal else ""
        facts = "; ".join(fact for fact in (found, legal) if fact)
        what = f"{self.message} ({facts})" if facts else self.message
        return printable(": ".join(part for part in (line, self.path, what) if part))


def printable(text: str) -> str:
    """Write control characters as escapes, so that a text cannot play with a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class InvalidDocument(JobyardError):
    """A document that cannot be read, or is wrong in one or many places; all are listed."""

    slug = "invalid-document"
    title = "The document is not valid"
    status = 400
    code = "INVALID_DOCUMENT"

    def __init__(
        self, problems: list[Problem], *, source: str | None = None, more: int = 0
    ) -> None:
        """Carry the problems in the order of the document; ``more`` were found and not kept."""
        count = len(problems) + more
        noun = "problem" if count == 1 else "problems"
        where = f" in {source}" if source else ""
        super().__init__(f"{count:,} {noun}{where}", source=source)
        self.problems = problems
        self.source = source
        self.more = more


class InvalidRequest(JobyardError):
    """A parameter, header or body that a request may not have."""

    slug = "invalid-request"
    title = "The request is not valid"
    status = 400
    code = "INVALID_REQUEST"
    exit_code = ExitCode.USAGE


class InvalidQueryParam(InvalidRequest):
    """A query parameter with a value it cannot have."""

    slug = "invalid-query-param"
    title = "A query parameter is not valid"
    code = "INVALID_QUERY_PARAM"


class InvalidJobId(InvalidRequest):
    """What stands in the place of a job's id, or of one of its events' ids, is none."""

    slug = "invalid-job-id"
    title = "Not the id of a job"
    code = "INVALID_JOB_ID"

    def __init__(self, text: str, noun: str = "a job") -> None:
        """Show what was given."""
        super().__init__(
            f"`{text}` is not the id of {noun}", hint="ids are whole numbers from 1", value=text
        )


class InvalidQueryParameters(InvalidQueryParam):
    """A parameter of the list of jobs with a value it cannot have."""

    slug = "invalid-query-parameters"
    code = "INVALID_QUERY_PARAMETERS"


class LimitInvalid(InvalidQueryParam):
    """A page of the list of jobs with fewer than one job."""

    slug = "limit-invalid"
    title = "The limit is too small"
    code = "LIMIT_INVALID"

    def __init__(self, limit: int, most: int) -> None:
        """Tell the limit and its bounds."""
        super().__init__(
            f"limit is {limit}", hint=f"it goes from 1 to {most}", parameter="limit", limit=limit
        )


class LimitTooLarge(InvalidQueryParam):
    """A page of the list of jobs with more jobs than one answer may have."""

    slug = "limit-too-large"
    title = "The limit is too large"
    code = "LIMIT_TOO_LARGE"

    def __init__(self, limit: int, most: int) -> None:
        """Tell the limit and its bounds."""
        super().__init__(
            f"limit is {limit}", hint=f"it goes from 1 to {most}", parameter="limit", limit=limit
        )


class InvalidWorkerId(InvalidRequest):
    """What stands in the place of a worker's id cannot be one."""

    slug = "invalid-worker-id"
    title = "Not the id of a worker"
    code = "INVALID_WORKER_ID"

    def __init__(self, text: str) -> None:
        """Show what was given."""
        super().__init__(
            f"`{text}` is not the id of a worker",
            hint=WORKER_ID_RULE,
            value=text,
        )


class Unauthorized(JobyardError):
    """No token, or one that this server, or this attempt, does not know."""

    slug = "unauthorized"
    title = "Who are you"
    status = 401
    code = "UNAUTHORIZED"


class HeadersTooLarge(JobyardError):
    """A request whose line and headers are longer than anybody needs."""

    slug = "headers-too-large"
    title = "Headers too large"
    status = 431
    code = "HEADERS_TOO_LARGE"


class Forbidden(JobyardError):
    """A token whose role may not do this, another host, or a page of another site."""

    slug = "forbidden"
    title = "Not allowed"
    status = 403
    code = "FORBIDDEN"


class MethodNotAllowed(JobyardError):
    """A path that is there, with a method that it does not have."""

    slug = "method-not-allowed"
    title = "The path does not have this method"
    status = 405
    code = "METHOD_NOT_ALLOWED"


class RequestTimeout(JobyardError):
    """A request that did not arrive whole in time."""

    slug = "request-timeout"
    title = "The request took too long to arrive"
    status = 408
    code = "REQUEST_TIMEOUT"


class NotFound(JobyardError):
    """Something that is asked for by name or id and is not there."""

    slug = "not-found"
    title = "Not found"
    status = 404
    code = "NOT_FOUND"
    exit_code = ExitCode.NOT_FOUND


class JobNotFound(NotFound):
    """No job has this id."""

    slug = "job-not-found"
    title = "No such job"
    code = "JOB_NOT_FOUND"

    def __init__(self, job_id: int, detail: str | None = None) -> None:
        """Name the id; ``detail`` tells more about why there is no such job."""
        super().__init__(
            detail or f"no job has the id {job_id}",
            hint="`jobyard job list --status all` shows all jobs",
            job_id=job_id,
        )


class AttemptNotFound(NotFound):
    """No attempt has this id."""

    slug = "attempt-not-found"
    title = "No such attempt"
    code = "ATTEMPT_NOT_FOUND"

    def __init__(self, attempt_id: int | None = None, detail: str | None = None) -> None:
        """Name the id, or say in ``detail`` which attempt was looked for otherwise."""
        super().__init__(detail or f"no attempt has the id {attempt_id}", attempt_id=attempt_id)


class EventNotFound(NotFound):
    """The job has no event of this id."""

    slug = "event-not-found"
    title = "No such event"
    code = "EVENT_NOT_FOUND"

    def __init__(self, job_id: int, event_id: int) -> None:
        """Name both ids."""
        super().__init__(
            f"job {job_id} has no event with the id {event_id}",
            hint=f"`jobyard job events {job_id}` shows all of them",
            job_id=job_id,
            event_id=event_id,
        )


class WorkerNotFound(NotFound):
    """No worker has this id."""

    slug = "worker-not-found"
    title = "No such worker"
    code = "WORKER_NOT_FOUND"

    def __init__(self, worker_id: str) -> None:
        """Name the id."""
        super().__init__(
            f"no worker has the id `{worker_id}`",
            hint="`jobyard worker list` shows all workers",
            worker_id=worker_id,
        )


class Conflict(JobyardError):
    """Understood, but at odds with what is."""

    slug = "conflict"
    title = "Conflict"
    status = 409
    code = "CONFLICT"
    exit_code = ExitCode.CONFLICT


class StateConflict(Conflict):
    """The thing is not in a status that allows this."""

    slug = "state-conflict"
    title = "Not possible in this status"
    code = "STATE_CONFLICT"

    def __init__(self, what: str, *, expected: tuple[str, ...], actual: str) -> None:
        """Say what was tried, which statuses allow it and which one it found."""
        super().__init__(
            f"{what} is not possible while {actual}",
            hint=f"possible in {', '.join(expected)}" if expected else None,
            expected=list(expected),
            actual=actual,
        )


class JobConflict(Conflict):
    """Only a job that is over can be deleted."""

    slug = "job-conflict"
    title = "The job is not over"
    code = "JOB_CONFLICT"

    def __init__(self, job_id: int, actual: str) -> None:
        """Name the job and its status."""
        super().__init__(
            f"job {job_id} is {actual}, and only a job that is over can be deleted",
            hint=f"`jobyard job cancel {job_id}` ends it; then delete it",
            job_id=job_id,
            actual=actual,
        )


class LeaseLost(Conflict):
    """The speaker no longer speaks for this attempt: its lease ran out or its job moved on."""

    slug = "lease-lost"
    title = "The lease is lost"
    code = "LEASE_LOST"


class IdempotencyConflict(Conflict):
    """The same idempotency key came with another request."""

    slug = "idempotency-conflict"
    title = "The idempotency key was used for another request"
    code = "IDEMPOTENCY_CONFLICT"

    def __init__(self, key: str, job_id: int) -> None:
        """Name the key and the job that it made."""
        super().__init__(
            f"the idempotency key `{key}` already made job {job_id} from another spec",
            hint="use a new key for a new request",
            key=key,
            job_id=job_id,
        )


class ApplyConflict(Conflict):
    """Documents that differ from active jobs of their names in fields that cannot change."""

    slug = "apply-conflict"
    title = "An active job differs in what cannot change"
    code = "APPLY_CONFLICT"

    def __init__(self, conflicts: list[dict[str, Any]]) -> None:
        """Name each job: ``job_id``, ``name``, ``namespace``, ``job_status`` and ``fields``."""
        told = "; ".join(
            f"job {one['job_id']} `{one['name']}` is {one['job_status']} and differs in "
            f"{', '.join(one['fields'])}"
            for one in conflicts
        )
        first = conflicts[0]["job_id"]
        super().__init__(
            f"{told}, which cannot change",
            hint=f"wait until it is over or `jobyard job cancel {first}` it, then apply again; "
            "`jobyard submit` makes another job beside it",
            conflicts=conflicts,
        )


class NothingToRetry(Conflict):
    """Nothing of a finished job is left to run again, or nobody can tell what."""

    slug = "nothing-to-retry"
    title = "Nothing to run again"
    code = "NOTHING_TO_RETRY"

    def __init__(
        self, job_id: int, which: str, detail: str | None = None, *, hint: str | None = None
    ) -> None:
        """Name the job and what of it was asked for; ``detail`` tells more about why not."""
        of_it = "failed and is not complete" if which == "failed" else "is left to complete"
        super().__init__(
            detail or f"nothing of job {job_id} {of_it}",
            hint=hint or "`--indexes all` runs all of it again",
            job_id=job_id,
            indexes=str(which),
        )


class WorkerIdTaken(Conflict):
    """Another live worker has this id."""

    slug = "worker-id-taken"
    title = "The worker id is taken"
    code = "WORKER_ID_TAKEN"

    def __init__(self, worker_id: str) -> None:
        """Name the id."""
        super().__init__(
            f"a live worker already has the id `{worker_id}`",
            hint="leave out --id to get one of its own, or stop the other worker first",
            worker_id=worker_id,
        )


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


class TooLarge(JobyardError):
    """A body or document over the limit."""

    slug = "too-large"
    title = "Too large"
    status = 413
    code = "TOO_LARGE"


class RangeNotSatisfiable(JobyardError):
    """A range of bytes that begins behind the end of an attempt's output."""

    slug = "range-not-satisfiable"
    title = "No bytes there"
    status = 416
    code = "RANGE_NOT_SATISFIABLE"


class ChainFailed(JobyardError):
    """A chain cannot be read: at some blocks, for some reason, for now or for good."""

    slug = "chain-failed"
    title = "The chain cannot be read"
    status = 502
    code = "CHAIN_FAILED"
    retryable: ClassVar[bool] = False
    """Whether the same reading may succeed later without anybody changing anything."""

    def at(self, start: int, stop: int) -> ChainFailed:
        """Say which blocks could not be had, ``[start, stop)``; keeps what was said before."""
        if "block_range_start" not in self.fields:
            self.fields |= {"block_range_start": start, "block_range_end": stop - 1}
            named = f"block {start}" if stop == start + 1 else f"blocks {start}-{stop - 1}"
            self.detail = f"{named}: {self.detail}"
        return self


class ProviderUnavailable(ChainFailed):
    """No provider answers usefully, and that for longer than is bearable."""

    slug = "provider-unavailable"
    title = "No provider answers"
    status = 503
    code = "PROVIDER_UNAVAILABLE"
    exit_code = ExitCode.UNREACHABLE
    retryable = True


class ProviderRefused(ChainFailed):
    """The provider does not accept who asks: the token is missing, wrong or spent."""

    slug = "provider-refused"
    title = "The provider refuses"
    code = "PROVIDER_REFUSED"


class NotJsonRpc(ChainFailed):
    """What answers at the provider's address is no JSON-RPC node."""

    slug = "not-json-rpc"
    title = "Not a node"
    code = "NOT_JSON_RPC"


class WrongChain(ChainFailed):
    """The provider serves another chain than the one that was asked for."""

    slug = "wrong-chain"
    title = "Another chain"
    code = "WRONG_CHAIN"

    def __init__(self, provider: str, *, expected: str, actual: str) -> None:
        """Name the provider, the chain that was asked for and the one it serves."""
        super().__init__(
            f"`{provider}` serves chain {actual}, not {expected}",
            hint="check the provider's url and network",
            provider=provider,
            expected=expected,
            actual=actual,
        )


class RequestRejected(ChainFailed):
    """The provider understands a request and will never answer it."""

    slug = "request-rejected"
    title = "The provider rejects the request"
    code = "REQUEST_REJECTED"


class BlockUnparsable(ChainFailed):
    """A provider's answer is not the block, or not the receipts, that were asked for."""

    slug = "block-unparsable"
    title = "Not a block"
    code = "BLOCK_UNPARSABLE"


class BlocksUnlinked(ChainFailed):
    """A block does not follow the one before it, however often it is asked for."""

    slug = "blocks-unlinked"
    title = "The blocks make no chain"
    code = "BLOCKS_UNLINKED"


class BlocksUnavailable(ChainFailed):
    """Blocks that no provider has: before the first one that is kept, or pruned."""

    slug = "blocks-unavailable"
    title = "The blocks are not to be had"
    code = "BLOCKS_UNAVAILABLE"


class InvalidProvider(JobyardError):
    """A provider file that cannot be read or used: names the file, the key and the variable."""

    slug = "invalid-provider"
    title = "The provider is not valid"
    status = 400
    code = "INVALID_PROVIDER"
    exit_code = ExitCode.CONFIGURATION


class BlockDisproved(ChainFailed):
    """A block that contradicts its own hashes: the source is wrong, another may be right."""

    slug = "block-disproved"
    title = "The block is not what its hashes say"
    code = "BLOCK_DISPROVED"
    retryable = True

    def __init__(self, number: int, check: str, cause: str) -> None:
        """Name the block, the check that it failed, and what was found."""
        super().__init__(
            f"block {number} fails the check of {check}: {cause}",
            hint="fetch it again, best from another provider",
            block=number,
            check=check,
            cause=cause,
        )


class ReceiptsMissing(ChainFailed):
    """A table that needs receipts is asked of a source that has none."""

    slug = "receipts-missing"
    title = "The source has no receipts"
    code = "RECEIPTS_MISSING"

    def __init__(self, number: int) -> None:
        """Name the first block whose receipts are missing."""
        super().__init__(
            f"block {number} has transactions but the source gave no receipts for them",
            hint="leave out the table `logs`, or use a source that has receipts",
            block=number,
        )


class DataFileDamaged(ChainFailed):
    """A Parquet file that cannot be read, or does not hold what its metadata says."""

    slug = "data-file-damaged"
    title = "The data file is damaged"
    code = "DATA_FILE_DAMAGED"

    def __init__(self, name: str, cause: str) -> None:
        """Name the file and what is wrong with it."""
        super().__init__(
            f"`{name}` is damaged: {cause}",
            hint="move it away and extract its blocks again",
            file=name,
            cause=cause,
        )


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
