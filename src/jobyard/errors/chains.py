"""Chains that cannot be read, and providers of them that cannot be used."""

from __future__ import annotations

from typing import ClassVar

from jobyard.errors.root import ExitCode, JobyardError


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
        if "block_range_start" in self.fields:
            return self
        if isinstance(own := self.fields.get("block"), int):
            # Its sentence names the block already.
            self.fields |= {"block_range_start": own, "block_range_end": own}
            return self
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
            hint="`jobyard verify PLACE --quarantine` puts it aside and says what then",
            file=name,
            cause=cause,
        )


class InvalidProvider(JobyardError):
    """A provider file that cannot be read or used: names the file, the key and the variable."""

    slug = "invalid-provider"
    title = "The provider is not valid"
    status = 400
    code = "INVALID_PROVIDER"
    exit_code = ExitCode.CONFIGURATION


class DataFileMissing(ChainFailed):
    """A file is part of a table, but is not where it was written."""

    slug = "data-file-missing"
    title = "A data file is missing"
    code = "DATA_FILE_MISSING"

    def __init__(self, table: str, name: str, folder: str, repair: str) -> None:
        """Name the table, the file and where it should be; say how its blocks come back."""
        super().__init__(
            f"`{name}` is part of the table `{table}` but is not in {folder}",
            hint=repair,
            table=table,
            file=name,
            folder=folder,
        )
