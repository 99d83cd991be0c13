"""Mint the EVM blocks that the tests keep: `mint_evm.py ANVIL`; needs eth-account and ckzg.

Chains of a local node (npm `@foundry-rs/anvil`), written into tests/data as lines of
``{"block": …, "receipts": […]}``: `anvil-prague` has contracts, failures, authorizations and logs
of all shapes, `anvil-london` is from before withdrawals and blobs (without its genesis, of which
the node tells another hash than its header has). `anvil-blobs` has blob transactions; of these the
node puts the blobs, too, under the root of transactions, so that root is wrong.
"""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_utils import to_checksum_address

DATA = Path(__file__).parents[1] / "tests/data"
BORN = 1_700_000_000
GWEI = 10**9
PORT = 18547
CHAIN_ID = 31337
HASHES_ONLY, WHOLE = (False,), (True,)
ACCESS = [
    {"address": "0x" + "11" * 20, "storageKeys": ["0x" + "00" * 31 + "01", "0x" + "ab" * 32]},
    {"address": "0x" + "22" * 20, "storageKeys": []},
]


def emitter() -> str:
    """Write a contract that logs its call data with 0-4 topics, then fails if it begins with ff."""
    body = "366000600037"
    for topics in range(5):
        pushes = "".join(f"60{number:02x}" for number in range(topics, 0, -1))
        body += f"{pushes}366000a{topics}"
    body += "60003560001a60ff14"
    target = len(body) // 2 + 4
    body += f"60{target:02x}57005b60006000fd"
    size = len(body) // 2
    return f"0x60{size:02x}600c60003960{size:02x}6000f3{body}"


class Node:
    """A node of our own, which mines when told."""

    def __init__(self, anvil: str, hardfork: str) -> None:
        self._ids = itertools.count(1)
        self._times = itertools.count(BORN + 12, 12)
        self._process = subprocess.Popen(
            [
                anvil, "--port", str(PORT), "--hardfork", hardfork, "--no-mining",
                "--timestamp", str(BORN), "--mnemonic-seed-unsafe", "7", "--silent",
                "--order", "fifo",
            ]
        )  # fmt: skip
        self.names: list[str] = self._greet()

    def _greet(self) -> list[str]:
        for _ in range(100):
            try:
                return list(self.call("eth_accounts"))
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the node does not answer")

    def call(self, method: str, *params: Any) -> Any:
        """Ask the node."""
        said = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}",
            json.dumps(said).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own node
            body = json.load(answer)
        if "error" in body:
            raise RuntimeError(body["error"])
        return body["result"]

    def send(self, sender: str, **fields: Any) -> str:
        """Send a transaction of an account that the node signs for."""
        fields = {"from": sender, "gas": "0x30d40", **fields}
        return str(self.call("eth_sendTransaction", fields))

    def mine(self) -> dict[str, Any]:
        """Mine a block of what was sent."""
        self.call("evm_mine", next(self._times))
        return dict(self.call("eth_getBlockByNumber", "latest", *HASHES_ONLY))

    def save(self, name: str, first: int) -> None:
        """Record the chain."""
        lines = []
        for number in range(first, int(self.call("eth_blockNumber"), 16) + 1):
            block = self.call("eth_getBlockByNumber", hex(number), *WHOLE)
            receipts = self.call("eth_getBlockReceipts", hex(number))
            lines.append(json.dumps({"block": block, "receipts": receipts}, separators=(",", ":")))
        text = "\n".join(lines) + "\n"
        (DATA / f"{name}.ndjson.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))

    def close(self) -> None:
        """End the node."""
        self._process.terminate()
        self._process.wait()


def common(node: Node) -> str:
    """Mine what every chain has; return the address of the contract that logs."""
    first, second, third, *_ = node.names
    node.mine()
    node.send(first, data=emitter(), gasPrice=hex(3 * GWEI))
    block = node.mine()
    receipt = node.call("eth_getTransactionReceipt", block["transactions"][0])
    contract = str(receipt["contractAddress"])
    for turn in range(4):
        node.send(first, to=second, value=hex(10**18 + turn), gasPrice=hex(3 * GWEI))
        node.send(second, to=contract, data="0x" + "07" * (31 * turn), gasPrice=hex(4 * GWEI))
        node.send(third, to=contract, data="0xff00", gasPrice=hex(4 * GWEI))
        node.send(first, to=third, accessList=ACCESS[: turn % 3], gasPrice=hex(3 * GWEI))
        node.send(
            second,
            to=contract,
            data="0x" + "5a" * 70,
            maxFeePerGas=hex((2 + turn * 20) * GWEI),
            maxPriorityFeePerGas=hex((1 + turn) * GWEI),
            accessList=ACCESS if turn == 1 else [],
        )
        node.mine()
    # More than 128 transactions: keys of one, two and three bytes in the tries.
    for turn in range(140):
        node.send(node.names[turn % 5 + 3], to=second, value=hex(turn), gas="0x5208")
    node.mine()
    return contract


def accounts(node: Node) -> tuple[Any, Any]:
    """Make two accounts that sign for themselves."""
    owner = Account.from_key("0x" + "11" * 32)
    signer = Account.from_key("0x" + "22" * 32)
    rich = node.names[0]
    for account in (owner, signer):
        node.send(rich, to=account.address, value=hex(10**20))
    node.mine()
    return owner, signer


FEES = {"maxFeePerGas": 50 * GWEI, "maxPriorityFeePerGas": GWEI, "chainId": CHAIN_ID}


def send_blobs(node: Node) -> None:
    """Mine what Cancun has."""
    owner, signer = accounts(node)
    for nonce, blobs in enumerate((1, 2)):
        fields = {
            "type": 3, "nonce": nonce, "to": signer.address, "gas": 200_000, "value": 0,
            "data": "0x", "maxFeePerBlobGas": 10**10, **FEES,
        }  # fmt: skip
        signed = owner.sign_transaction(fields, blobs=[bytes(131072)] * blobs)
        node.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
        node.mine()


def send_authorizations(node: Node, contract: str) -> None:
    """Mine what Prague has."""
    owner, signer = accounts(node)
    checked = [{**entry, "address": to_checksum_address(entry["address"])} for entry in ACCESS]
    authorizations = [
        signer.sign_authorization(
            {"chainId": chain, "address": to_checksum_address(contract), "nonce": nonce}
        )
        for chain, nonce in ((CHAIN_ID, 0), (0, 1), (5, 77))
    ]
    for nonce, chosen in enumerate((authorizations[:1], authorizations)):
        fields = {
            "type": 4, "nonce": nonce, "to": signer.address, "gas": 300_000, "value": 1,
            "data": "0x0102", "authorizationList": chosen, "accessList": checked, **FEES,
        }  # fmt: skip
        signed = owner.sign_transaction(fields)
        node.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
        node.send(node.names[0], to=signer.address, data="0xff")
        node.mine()
    node.mine()


def main() -> None:
    """Mint all chains."""
    node = Node(sys.argv[1], "london")
    with closing(node):
        common(node)
        node.save("anvil-london", first=1)
    node = Node(sys.argv[1], "prague")
    with closing(node):
        send_authorizations(node, common(node))
        node.save("anvil-prague", first=0)
    node = Node(sys.argv[1], "prague")
    with closing(node):
        send_blobs(node)
        node.save("anvil-blobs", first=0)


if __name__ == "__main__":
    main()
