"""Who sent a transaction, by its signature: the one column that no hash covers.

It needs coincurve (``jobyard[senders]``); without it this stays unproved, and a report says so.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jobyard.chain.evm_hashing import NotProvable, signed
from jobyard.chain.keccak import keccak

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobyard.chain.evm_hashing import Columns

MISSING = "coincurve is not installed (`jobyard[senders]`)"
_ADDRESS = 20
"""Bytes of an address: the last ones of the hash of a public key."""


def sender(row: Columns, at: int) -> bytes:
    """Recover the address that signed the transaction in a row of the table of transactions.

    Raises:
        NotProvable: its type is not known, a column cannot hold what it said, or the library that
            this needs is not here.
        ValueError: nobody can have signed it.

    """
    recover = _recovering()
    if recover is None:
        raise NotProvable(MISSING)
    signature = row["r"][at] + row["s"][at] + bytes((row["v_parity"][at],))
    try:
        key = recover(signature, keccak(signed(row, at)))
    except NotProvable:
        raise
    except Exception as error:
        # The library raises plain exceptions.
        raise ValueError(str(error)) from error
    return keccak(key[1:])[-_ADDRESS:]


@cache
def _recovering() -> Callable[[bytes, bytes], bytes] | None:
    try:
        from coincurve import PublicKey
    except ImportError:
        return None

    def recover(signature: bytes, digest: bytes) -> bytes:
        key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
        return key.format(compressed=False)

    return recover
