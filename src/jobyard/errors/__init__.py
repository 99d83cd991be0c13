"""Every error a person can meet, in one tree.

    JobyardError
    ├── InvalidDocument          400  the document as a whole cannot be read or is wrong in places
    │   ├── InvalidManifest           no manifest, or of no known kind
    │   │   └── ManifestContradicts   at odds with itself, or with what it builds on
    │   └── InvalidBody               what a dataset is to be deployed with
    ├── InvalidRequest           400  a parameter, header or body of a request
    │   ├── FileUnreadable            a file that a command names
    │   ├── InvalidQueryParam
    │   │   ├── InvalidQueryParameters
    │   │   ├── LimitInvalid
    │   │   └── LimitTooLarge
    │   ├── InvalidJobId
    │   ├── InvalidWorkerId
    │   ├── InvalidPathParameters     no id of a revision
    │   ├── InvalidFileId
    │   ├── InvalidPayloadFormat      no JSON object, or without what it must have
    │   ├── InvalidPath               no name of a dataset or of a revision
    │   ├── InvalidHash
    │   ├── InvalidQuery              SQL that cannot be answered
    │   ├── InvalidRequestBody        a provider without a name or a kind
    │   ├── DataConversion            a provider with a wrong key or value
    │   ├── InvalidProviderName
    │   ├── CannotDeleteLatest
    │   ├── WorkerNotAvailable        nobody alive has the worker's id that was named
    │   ├── EmptyTablesAndFunctions
    │   ├── InvalidTableName
    │   └── TableRefused              a table that cannot be made by its SQL
    │       ├── InvalidTableSql
    │       ├── NonIncrementalQuery       not final when its blocks are known
    │       ├── CatalogQualifiedTable
    │       ├── TableReferenceResolution  no such table, or no such dependency
    │       ├── NoTableReferences
    │       ├── SelfReferencingTable
    │       ├── SelfRefTableNotFound
    │       └── CyclicDependency
    ├── Unauthorized             401  no token, or one that is not known here
    ├── Forbidden                403  a token that may not do this, or a strange web page
    ├── NotFound                 404
    │   ├── JobNotFound
    │   ├── AttemptNotFound
    │   ├── EventNotFound
    │   ├── WorkerNotFound
    │   ├── DatasetNotFound
    │   ├── ManifestNotFound
    │   ├── ProviderNotFound
    │   ├── DependencyNotFound
    │   ├── NothingToRematerialize    no table has these blocks
    │   ├── RevisionNotFound          of a table
    │   ├── FileNotKnown              of a table
    │   ├── TableNotInManifest
    │   ├── TableNotFound             no revision of it, or no file
    │   └── TableNotRegistered        no revision that could become active
    ├── Conflict                 409
    │   ├── StateConflict             the thing is not in a status that allows this
    │   ├── JobConflict               the job is not over
    │   ├── LeaseLost                 the speaker no longer speaks for this attempt
    │   ├── IdempotencyConflict       same key, other request
    │   ├── ApplyConflict             active jobs differ in what cannot change
    │   ├── NothingToRetry            nothing of a finished job is left to run again
    │   ├── WorkerIdTaken
    │   ├── ManifestLinked            a dataset has this manifest
    │   ├── ActiveJobConflict         the dataset has an active job that is another one
    │   ├── ActiveWriter              another job writes this table
    │   ├── RevisionIsActive          and must not be
    │   ├── RevisionNotRestored       its folder has files that it does not know
    │   ├── RevisionPathTaken         a folder is a revision of one table
    │   ├── WriterJobNotTerminal      a job that is not over writes the revision
    │   └── FilesRemaining            files that could not be removed
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
    │   ├── DataFileDamaged           a Parquet file that is not what was written
    │   ├── DataFileMissing           a file that is part of a table is not there
    │   ├── DependencyNotSynced       made of a dataset that nobody has extracted
    │   ├── TableNotMade              a query fails at some blocks
    │   └── SourceReorganised         what tables are made of changes while it is read
    ├── RegisterFilesFailed      500  the folder of a revision cannot be read
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

from jobyard.errors.chains import (
    BlockDisproved,
    BlocksUnavailable,
    BlocksUnlinked,
    BlockUnparsable,
    ChainFailed,
    DataFileDamaged,
    DataFileMissing,
    InvalidProvider,
    NotJsonRpc,
    ProviderRefused,
    ProviderUnavailable,
    ReceiptsMissing,
    RequestRejected,
    WrongChain,
)
from jobyard.errors.conflicts import (
    ApplyConflict,
    Conflict,
    IdempotencyConflict,
    JobConflict,
    LeaseLost,
    NothingToRetry,
    StateConflict,
    WorkerIdTaken,
)
from jobyard.errors.datasets import (
    ActiveJobConflict,
    ActiveWriter,
    CannotDeleteLatest,
    DataConversion,
    DatasetNotFound,
    InvalidBody,
    InvalidHash,
    InvalidManifest,
    InvalidPath,
    InvalidPayloadFormat,
    InvalidProviderName,
    InvalidQuery,
    InvalidRequestBody,
    ManifestContradicts,
    ManifestLinked,
    ManifestNotFound,
    NothingToRematerialize,
    ProviderNotFound,
    WorkerNotAvailable,
)
from jobyard.errors.derived import (
    CatalogQualifiedTable,
    CyclicDependency,
    DependencyNotFound,
    DependencyNotSynced,
    EmptyTablesAndFunctions,
    InvalidTableName,
    InvalidTableSql,
    NonIncrementalQuery,
    NoTableReferences,
    SelfReferencingTable,
    SelfRefTableNotFound,
    SourceReorganised,
    TableNotMade,
    TableReferenceResolution,
    TableRefused,
)
from jobyard.errors.documents import (
    InvalidDocument,
    Problem,
    printable,
)
from jobyard.errors.missing import (
    AttemptNotFound,
    EventNotFound,
    JobNotFound,
    NotFound,
    WorkerNotFound,
)
from jobyard.errors.requests import (
    WORKER_ID_RULE,
    FileUnreadable,
    Forbidden,
    HeadersTooLarge,
    InvalidJobId,
    InvalidQueryParam,
    InvalidQueryParameters,
    InvalidRequest,
    InvalidWorkerId,
    LimitInvalid,
    LimitTooLarge,
    MethodNotAllowed,
    RangeNotSatisfiable,
    RequestTimeout,
    TooLarge,
    Unauthorized,
)
from jobyard.errors.root import (
    ExitCode,
    JobyardError,
    family,
)
from jobyard.errors.surroundings import (
    ExecutorUnavailable,
    Internal,
    InvalidSetting,
    SchemaMismatch,
    ServerUnreachable,
    StoreUnavailable,
    Unusable,
)
from jobyard.errors.tables import (
    FileNotKnown,
    FilesRemaining,
    InvalidFileId,
    InvalidPathParameters,
    RegisterFilesFailed,
    RevisionIsActive,
    RevisionNotFound,
    RevisionNotRestored,
    RevisionPathTaken,
    TableNotFound,
    TableNotInManifest,
    TableNotRegistered,
    WriterJobNotTerminal,
)

__all__ = [
    "WORKER_ID_RULE",
    "ActiveJobConflict",
    "ActiveWriter",
    "ApplyConflict",
    "AttemptNotFound",
    "BlockDisproved",
    "BlockUnparsable",
    "BlocksUnavailable",
    "BlocksUnlinked",
    "CannotDeleteLatest",
    "CatalogQualifiedTable",
    "ChainFailed",
    "Conflict",
    "CyclicDependency",
    "DataConversion",
    "DataFileDamaged",
    "DataFileMissing",
    "DatasetNotFound",
    "DependencyNotFound",
    "DependencyNotSynced",
    "EmptyTablesAndFunctions",
    "EventNotFound",
    "ExecutorUnavailable",
    "ExitCode",
    "FileNotKnown",
    "FileUnreadable",
    "FilesRemaining",
    "Forbidden",
    "HeadersTooLarge",
    "IdempotencyConflict",
    "Internal",
    "InvalidBody",
    "InvalidDocument",
    "InvalidFileId",
    "InvalidHash",
    "InvalidJobId",
    "InvalidManifest",
    "InvalidPath",
    "InvalidPathParameters",
    "InvalidPayloadFormat",
    "InvalidProvider",
    "InvalidProviderName",
    "InvalidQuery",
    "InvalidQueryParam",
    "InvalidQueryParameters",
    "InvalidRequest",
    "InvalidRequestBody",
    "InvalidSetting",
    "InvalidTableName",
    "InvalidTableSql",
    "InvalidWorkerId",
    "JobConflict",
    "JobNotFound",
    "JobyardError",
    "LeaseLost",
    "LimitInvalid",
    "LimitTooLarge",
    "ManifestContradicts",
    "ManifestLinked",
    "ManifestNotFound",
    "MethodNotAllowed",
    "NoTableReferences",
    "NonIncrementalQuery",
    "NotFound",
    "NotJsonRpc",
    "NothingToRematerialize",
    "NothingToRetry",
    "Problem",
    "ProviderNotFound",
    "ProviderRefused",
    "ProviderUnavailable",
    "RangeNotSatisfiable",
    "ReceiptsMissing",
    "RegisterFilesFailed",
    "RequestRejected",
    "RequestTimeout",
    "RevisionIsActive",
    "RevisionNotFound",
    "RevisionNotRestored",
    "RevisionPathTaken",
    "SchemaMismatch",
    "SelfRefTableNotFound",
    "SelfReferencingTable",
    "ServerUnreachable",
    "SourceReorganised",
    "StateConflict",
    "StoreUnavailable",
    "TableNotFound",
    "TableNotInManifest",
    "TableNotMade",
    "TableNotRegistered",
    "TableReferenceResolution",
    "TableRefused",
    "TooLarge",
    "Unauthorized",
    "Unusable",
    "WorkerIdTaken",
    "WorkerNotAvailable",
    "WorkerNotFound",
    "WriterJobNotTerminal",
    "WrongChain",
    "family",
    "printable",
]
