"""A key in a Web3Signer, or in anything that speaks its documented JSON-RPC: `eth_accounts`, `eth_sign`
(personal messages, EIP-191) and `eth_signTransaction`.

What comes back is checked before it is used: a signature must be the account's over what was asked, a transaction the
one that was asked, so a signer that is wrongly set up costs an error and no money.
"""

import itertools
import json
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp

from livepeer_client.adapters.chain.transaction import sender_of, unsigned
from livepeer_client.codec import bounded_json
from livepeer_client.codec.address import checksum_address, parse_address
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.errors import (
    BadResult,
    Bug,
    ConfigError,
    InvalidInput,
    MalformedMessage,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
)
from livepeer_client.facts import SignedTransaction, UnsignedTransaction
from livepeer_client.types import HASH_BYTES, SIGNATURE_BYTES, Address, Signature

_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HTTP_ERROR: Final = 400


class Web3Signer:
    """`ports.TransactionSigner` for one account of a signer at `url`. Open with `async with`.

    :param token: sent as `Authorization: Bearer ...`, for a proxy in front of the signer; never shown.
    :raises InvalidInput: a URL without http(s) and host.
    """

    def __init__(self, url: str, address: Address, *, token: str | None = None, timeout_s: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput("a signer's URL starts with http:// or https:// and names a host")
        self._url = url
        # A URL may carry a secret in its path or query, so only this part is ever shown.
        self._shown = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        self._address = address
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._ids = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Web3Signer({self._shown}, {checksum_address(self._address)})"

    @property
    def address(self) -> Address:
        return self._address

    async def __aenter__(self) -> Self:
        """:raises ConfigError: the signer does not have the account.
        :raises TransportError: it is not reached.
        """
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            accounts = await self._ask("eth_accounts", [])
            known = isinstance(accounts, list) and any(_is_address(each, self._address) for each in accounts)
            if not known:
                raise ConfigError(f"the signer at {self._shown} has no account {checksum_address(self._address)}")
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def sign(self, digest: bytes) -> Signature:
        """As in the port.

        :raises BadResult: what came back is no signature of the account over it.
        """
        if len(digest) != HASH_BYTES:
            raise InvalidInput(f"a digest is {HASH_BYTES} bytes, got {len(digest)}")
        answer = await self._ask("eth_sign", [checksum_address(self._address), "0x" + digest.hex()])
        signature = _canonical(_hex(answer, "signature"))
        if not is_signed_by(self._address, signature, digest):
            raise BadResult("signature of the remote signer", checksum_address(self._address), "another one's")
        return signature

    async def sign_transaction(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """As in the port.

        :raises BadResult: what came back is another transaction, or signed by somebody else.
        """
        raw = _hex(
            await self._ask(
                "eth_signTransaction",
                [
                    {
                        "from": checksum_address(self._address),
                        "to": checksum_address(transaction.to),
                        "gas": hex(transaction.gas_limit),
                        "maxFeePerGas": hex(transaction.fees.cap),
                        "maxPriorityFeePerGas": hex(transaction.fees.tip),
                        "value": hex(transaction.value),
                        "data": "0x" + transaction.data.hex(),
                        "nonce": hex(transaction.nonce),
                    }
                ],
            ),
            "signed transaction",
        )
        try:
            found, sender = await unsigned(raw), await sender_of(raw)
        except InvalidInput as error:
            raise MalformedMessage("signed transaction", str(error)) from error
        if found != transaction:
            raise BadResult("transaction of the remote signer", transaction, found)
        if sender != self._address:
            raise BadResult("sender of the remote signer's transaction", self._address.hex(), sender.hex())
        return SignedTransaction(raw, keccak256(raw), transaction.nonce)

    async def _ask(self, method: str, params: list[Any]) -> Any:
        if self._session is None:
            raise Bug("Web3Signer is used inside its `async with`")
        body = json.dumps({"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params})
        try:
            async with self._session.post(self._url, data=body, headers=self._headers) as response:
                text, status = await response.read(), response.status
        except TimeoutError as error:
            raise PeerTimeout(self._shown, f"{method}: no answer in time") from error
        except aiohttp.ClientError as error:
            raise PeerUnreachable(self._shown, f"{method}: {type(error).__name__}") from error
        try:
            answer = bounded_json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise PeerRefused(self._shown, status, f"{method}: the answer is not JSON-RPC")
        if answer.get("error") is not None or status >= _HTTP_ERROR:
            error_ = answer.get("error")
            reason = error_.get("message") if isinstance(error_, dict) else error_
            raise PeerRefused(self._shown, status, f"{method}: {reason}")
        return answer["result"]


def _is_address(value: object, address: Address) -> bool:
    try:
        return parse_address(str(value)) == address
    except InvalidInput:
        return False


def _hex(value: object, what: str) -> bytes:
    try:
        return bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError as error:
        raise MalformedMessage(what, "not hexadecimal") from error


def _canonical(signature: bytes) -> Signature:
    """The form the contracts take: v of 27 or 28, s in the lower half."""
    if len(signature) != SIGNATURE_BYTES:
        raise MalformedMessage("signature", f"{len(signature)} bytes")
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    v += 27 if v < 2 else 0
    if s > _ORDER // 2:
        s, v = _ORDER - s, 55 - v
    return Signature(r + s.to_bytes(32, "big") + bytes([v & 0xFF]))
