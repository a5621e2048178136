"""A remote signer as its client uses it, and the webhook that a signer asks (offchain-payments 12)."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import aiohttp

from livepeer_client.adapters.http import translated
from livepeer_client.codec import bounded_json, signer_api
from livepeer_client.codec.credentials import orchestrator_request_digest
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.codec.signer_api import CoveredReply, PaymentCall, PaymentReply
from livepeer_client.errors import (
    BadCredentials,
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    PeerTimeout,
    SignerRefused,
)
from livepeer_client.policy.signing import INTERNAL, NO_TICKETS, AuthAnswer
from livepeer_client.types import Address, Signature

PAYMENT_TIMEOUT_S: Final = 60.0
LOGIN_TIMEOUT_S: Final = 30.0
WEBHOOK_TIMEOUT_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 1 << 20
_OK: Final = 200


class RemoteSigner:
    """`ports.Signer` and `ports.PaymentSigner` over a remote signer; open with `async with`.

    As `ports.Signer` it has the one signature over a digest that the API gives: the login.

    :param headers: sent along each time, for the signer's webhook; they may hold secrets and are never shown.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        payment_timeout_s: float = PAYMENT_TIMEOUT_S,
        login_timeout_s: float = LOGIN_TIMEOUT_S,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = dict(headers or {})
        self._payment_timeout_s = payment_timeout_s
        self._login_timeout_s = login_timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._login: tuple[Address, Signature] | None = None

    def __repr__(self) -> str:
        return f"RemoteSigner({self._url})"

    async def __aenter__(self) -> Self:
        """Connect and log in, so that the address is known.

        :raises SignerRefused, PeerTimeout, PeerUnreachable, MalformedMessage:
        :raises BadCredentials: the signature is not of the address that came with it.
        """
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=self._headers)
        try:
            status, body = await self._post("/sign-orchestrator-info", b"{}", self._login_timeout_s)
            if status != _OK:
                raise SignerRefused(status, signer_api.decode_error(body))
            address, sig = signer_api.decode_login(body)
            if not is_signed_by(address, sig, orchestrator_request_digest(address)):
                raise BadCredentials("the login signature is not of the signer's address")
        except BaseException:
            await self._session.close()
            raise
        self._login = (address, sig)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def address(self) -> Address:
        """:raises InvalidInput: not opened."""
        return self._logged_in()[0]

    async def sign(self, digest: bytes) -> Signature:
        """The login signature.

        :raises InvalidInput: any other digest; payments are asked for as such.
        """
        address, sig = self._logged_in()
        if digest != orchestrator_request_digest(address):
            raise InvalidInput("a remote signer signs logins and payments, no other digests")
        return sig

    async def pay(self, call: PaymentCall) -> PaymentReply | CoveredReply:
        """See `ports.PaymentSigner.pay`. A signer that sends no state with 482 has refused."""
        body = signer_api.encode_payment_call(call)
        status, answer = await self._post("/generate-live-payment", body, self._payment_timeout_s)
        if status == _OK:
            return signer_api.decode_payment_reply(answer)
        if status == NO_TICKETS:
            covered = signer_api.decode_covered_reply(answer)
            if covered is not None:
                return covered
        raise SignerRefused(status, signer_api.decode_error(answer))

    def _logged_in(self) -> tuple[Address, Signature]:
        if self._login is None:
            raise InvalidInput("a remote signer is used inside its `async with`")
        return self._login

    async def _post(self, path: str, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        if self._session is None:
            raise InvalidInput("a remote signer is used inside its `async with`")
        return await _exchange(self._session, self._url + path, body, timeout_s)


class AuthWebhook:
    """`ports.SignerAuth` over HTTP: POST {headers, state}, answered within `timeout_s` by JSON with a status."""

    def __init__(self, url: str, *, timeout_s: float = WEBHOOK_TIMEOUT_S) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def authorise(self, headers: Mapping[str, Sequence[str]], state: Mapping[str, object] | None) -> AuthAnswer:
        if self._session is None:
            raise InvalidInput("a webhook is used inside its `async with`")
        question = {"headers": {name: list(values) for name, values in headers.items()}, "state": state}
        try:
            status, answer = await _exchange(self._session, self._url, json.dumps(question).encode(), self._timeout_s)
        except LivepeerError as error:
            raise SignerRefused(INTERNAL, f"signer auth webhook: {error}") from error
        if status != _OK:
            raise SignerRefused(INTERNAL, f"signer auth webhook answered with status {status}")
        return _auth_answer(answer)


def _auth_answer(data: bytes) -> AuthAnswer:
    try:
        found: Any = bounded_json.loads(data, parse_float=str)
        status, expiry = found.get("status"), found.get("expiry") or 0
        return AuthAnswer(
            status=None if status is None else int(status),
            reason=str(found.get("reason") or ""),
            expiry=int(expiry),
            auth_id=str(found.get("auth_id") or ""),
            max_price=signer_api.read_ceiling(found.get("maxPrice")),
        )
    except (ValueError, TypeError, AttributeError, MalformedMessage) as error:
        raise SignerRefused(INTERNAL, "signer auth webhook: the answer does not decode") from error


async def _exchange(session: aiohttp.ClientSession, url: str, body: bytes, timeout_s: float) -> tuple[int, bytes]:
    """Status and body of a JSON POST.

    :raises PeerTimeout, PeerUnreachable, MalformedMessage:
    """
    try:
        async with (
            asyncio.timeout(timeout_s),
            session.post(
                url, data=body, headers={"Content-Type": "application/json"}, allow_redirects=False
            ) as response,
        ):
            answer = await response.content.read(MAX_ANSWER_BYTES + 1)
            while len(answer) <= MAX_ANSWER_BYTES and (more := await response.content.read(MAX_ANSWER_BYTES)):
                answer += more
            if len(answer) > MAX_ANSWER_BYTES:
                raise MalformedMessage(f"HTTP answer of {url}", f"more than {MAX_ANSWER_BYTES} bytes")
            return response.status, answer
    except TimeoutError as error:
        raise PeerTimeout(url, f"no answer in {timeout_s:g} s") from error
    except aiohttp.ClientError as error:
        raise translated(url, error) from error
