"""Requests that cannot be taken as they are: what they say, who asks, how they arrive."""

from __future__ import annotations

from jobyard.errors.root import ExitCode, JobyardError

WORKER_ID_RULE = "letters, digits, `-`, `_` and `.`, a letter or digit at both ends, at most 253"


class InvalidRequest(JobyardError):
    """A parameter, header or body that a request may not have."""

    slug = "invalid-request"
    title = "The request is not valid"
    status = 400
    code = "INVALID_REQUEST"
    exit_code = ExitCode.USAGE


class FileUnreadable(InvalidRequest):
    """A file that a command names and that is not there, cannot be read, or is nothing of use."""

    slug = "file-unreadable"
    title = "The file cannot be read"
    code = "FILE_UNREADABLE"


class InvalidQueryParam(InvalidRequest):
    """A query parameter with a value it cannot have."""

    slug = "invalid-query-param"
    title = "A query parameter is not valid"
    code = "INVALID_QUERY_PARAM"


class InvalidQueryParameters(InvalidQueryParam):
    """A parameter of a list, of jobs or of revisions, with a value it cannot have."""

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


class HeadersTooLarge(JobyardError):
    """A request whose line and headers are longer than anybody needs."""

    slug = "headers-too-large"
    title = "Headers too large"
    status = 431
    code = "HEADERS_TOO_LARGE"
