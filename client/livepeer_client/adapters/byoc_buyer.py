"""Buy from orchestrators what somebody brought along to them: jobs and streams (offchain-network 4.12)."""

import logging
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urljoin

from livepeer_client.adapters.byoc_server import (
    BALANCE_HEADER,
    CALLER_HEADER,
    CAPABILITY_HEADER,
    JOB_HEADER,
    MAX_REPLY_BYTES,
)
from livepeer_client.adapters.byoc_stream_server import STREAM_BALANCE_HEADER, URL_HEADERS
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.http_server import PAYMENT_HEADER
from livepeer_client.adapters.live_client import LiveHttp
from livepeer_client.codec import byoc_api
from livepeer_client.codec.byoc_stream import MAX_BODY_BYTES
from livepeer_client.codec.live_job import LiveUrls
from livepeer_client.errors import MalformedMessage, PeerRefused, TransportError
from livepeer_client.facts.byoc import ByocAnswer
from livepeer_client.policy.uri import origin

TOKEN_S: Final = 2.0
MAX_TOKEN_BYTES: Final = 1 << 16
_MAX_BALANCE_CHARS: Final = 80

_log = logging.getLogger(__name__)


class ByocBuyerHttp(LiveHttp):
    """`services.byoc_dispatch.ByocTransport`. Certificates go unchecked, as in `adapters.http`."""

    def __init__(self, http: HttpTransport) -> None:
        super().__init__(http)
        self._http = http

    async def balance(self, uri: str, caller: str, capability: str) -> int | None:
        """See `ByocTransport.balance`."""
        try:
            body = await self._http.get(
                f"{_base(uri)}/process/token",
                headers={CALLER_HEADER: caller, CAPABILITY_HEADER: capability},
                limit_bytes=MAX_TOKEN_BYTES,
                timeout_s=TOKEN_S,
            )
            return byoc_api.decode_balance(body)
        except (PeerRefused, TransportError, MalformedMessage) as error:
            _log.info("balance not told uri=%s reason=%s", uri, error)
            return None

    async def job(
        self,
        uri: str,
        path: str,
        body: bytes,
        *,
        header: str,
        capability: str,
        payment: str,
        content_type: str,
        timeout_s: float,
    ) -> ByocAnswer:
        """See `ByocTransport.job`."""
        url = f"{_base(uri)}/process/request/{quote(path)}"
        headers = _headers(header, capability, payment) | {"Content-Type": content_type}
        said, content = await self._http.post_answer(
            url, data=body, headers=headers, limit_bytes=MAX_REPLY_BYTES, timeout_s=timeout_s
        )
        return _answer(said, BALANCE_HEADER, content)

    async def begin(
        self, uri: str, body: bytes, *, header: str, capability: str, payment: str, timeout_s: float
    ) -> tuple[LiveUrls, ByocAnswer]:
        """See `ByocTransport.begin`."""
        said, content = await self._stream(uri, "start", body, _headers(header, capability, payment), timeout_s)
        base = _base(uri)
        places = {key: urljoin(f"{base}/", said[name]) for key, name in URL_HEADERS.items() if said.get(name)}
        if any(origin(place) is None or origin(place) != origin(uri) for place in places.values()):
            # A peer that could name any host would see what this one can reach.
            raise MalformedMessage(f"stream answer of {uri}", "a channel at another host")
        if "control" not in places or "events" not in places:
            raise MalformedMessage(f"stream answer of {uri}", "no control or events channel")
        urls = LiveUrls(*(places.get(key, "") for key in ("publish", "subscribe", "control", "events", "data")))
        return urls, _answer(said, STREAM_BALANCE_HEADER, content)

    async def stream(
        self, uri: str, route: str, body: bytes, *, header: str, capability: str, payment: str = "", timeout_s: float
    ) -> ByocAnswer:
        """See `ByocTransport.stream`."""
        said, content = await self._stream(uri, route, body, _headers(header, capability, payment), timeout_s)
        return _answer(said, STREAM_BALANCE_HEADER, content)

    async def _stream(
        self, uri: str, route: str, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> tuple[Mapping[str, str], bytes]:
        said, content = await self._http.post_answer(
            f"{_base(uri)}/ai/stream/{route}",
            data=body,
            headers=headers | {"Content-Type": "application/json"},
            limit_bytes=MAX_BODY_BYTES,
            timeout_s=timeout_s,
        )
        if isinstance(content, bytes):
            return said, content
        await content.aclose()  # type: ignore[attr-defined]
        raise MalformedMessage(f"stream answer of {uri}", "events")


def _base(uri: str) -> str:
    return uri.rstrip("/")


def _headers(header: str, capability: str, payment: str) -> dict[str, str]:
    return {JOB_HEADER: header, CAPABILITY_HEADER: capability, PAYMENT_HEADER: payment}


def _answer(said: Mapping[str, str], balance_header: str, content: object) -> ByocAnswer:
    kind = said.get("Content-Type", "application/octet-stream")
    return ByocAnswer(kind, said.get("X-Metadata", ""), _balance(said.get(balance_header)), content)  # type: ignore[arg-type]


def _balance(text: str | None) -> int | None:
    """A balance may be negative. Whatever is no number says nothing."""
    if text is None or len(text) > _MAX_BALANCE_CHARS or not text.removeprefix("-").isdecimal() or not text.isascii():
        return None
    return int(text)
