"""Lists of orchestrators from elsewhere than the chain: fixed ones, webhooks, signers, the subgraph.

What cannot be fetched again is served as it was and marked stale; only a source that never answered is an error.
"""

import asyncio
import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from livepeer_client.codec import discovery_api, subgraph
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.errors import LivepeerError, MalformedMessage
from livepeer_client.policy.sources import listed, merge
from livepeer_client.policy.trust import FULL_TRUST
from livepeer_client.ports import Clock
from livepeer_client.ports.discovery import OrchestratorSource, WebClient

LIST_TIMEOUT_S: Final = 3.0
SUBGRAPH_TIMEOUT_S: Final = 8.0
LEAST_INTERVAL_S: Final = 60.0
"""Nobody's webhook is called more often."""

_log = logging.getLogger(__name__)

Members = Sequence[RegisteredOrchestrator]


class StaticSource:
    """The operator's own list: everybody on it is trusted (offchain-network 1.1)."""

    def __init__(self, uris: Sequence[str]) -> None:
        self._members = tuple(listed(discovery_api.with_scheme(uri), FULL_TRUST) for uri in uris)

    async def orchestrators(self) -> Members:
        return self._members


class _Refreshed(ABC):
    """A list that is fetched at most once in `interval_s`; a failure leaves the one before, marked stale."""

    def __init__(self, name: str, clock: Clock, interval_s: float) -> None:
        self._name = name
        self._clock = clock
        self._interval_s = interval_s
        self._members: Members | None = None
        self._stale = False
        self._tried_at: float | None = None
        self._failure: LivepeerError | None = None
        self._fetching = asyncio.Lock()

    async def orchestrators(self) -> Members:
        """Raises what the last attempt did if none has succeeded yet. Who comes during the first one waits for it."""
        if self._members is None or not self._fetching.locked():
            async with self._fetching:
                await self._try_if_due()
        if self._members is None:
            assert self._failure is not None
            raise self._failure
        return [replace(member, stale=True) for member in self._members] if self._stale else self._members

    async def _try_if_due(self) -> None:
        now = self._clock.monotonic()
        if self._tried_at is not None and now - self._tried_at < self._interval_s:
            return
        before, self._tried_at = self._tried_at, now
        try:
            await self._try()
        except asyncio.CancelledError:
            # Given up by who asked; that says nothing about the source.
            self._tried_at = before
            raise

    async def _try(self) -> None:
        try:
            self._members = await self._fetch()
        except LivepeerError as error:
            self._stale, self._failure = True, error
            _log.warning("%s not fetched, keeping what is known reason=%s", self._name, error)
        else:
            self._stale = False

    @abstractmethod
    async def _fetch(self) -> Members:
        """What the source lists now. :raises LivepeerError: what is known stays, marked as stale."""


class ListedSource(_Refreshed):
    """A webhook or a signer's discovery endpoint. A body that has not changed keeps the present list, the object
    itself.

    :param headers: sent along; they may hold secrets and are never shown.
    """

    def __init__(
        self,
        url: str,
        web: WebClient,
        clock: Clock,
        *,
        name: str = "webhook",
        headers: Mapping[str, str] | None = None,
        interval_s: float = LEAST_INTERVAL_S,
    ) -> None:
        super().__init__(name, clock, max(interval_s, LEAST_INTERVAL_S))
        self._url = url
        self._web = web
        self._headers = dict(headers or {})
        self._hash = b""

    async def _fetch(self) -> Members:
        body = await self._web.get(self._url, headers=self._headers, timeout_s=LIST_TIMEOUT_S)
        digest = hashlib.sha256(body).digest()
        if self._members is not None and digest == self._hash:
            return self._members
        members = tuple(listed(each.uri, each.score) for each in discovery_api.decode_list(body))
        self._hash = digest
        return members


class SubgraphSource(_Refreshed):
    """The transcoders of the network's subgraph, page by page. It vouches for nobody; the chain is asked for what
    money depends on."""

    def __init__(
        self,
        url: str,
        web: WebClient,
        clock: Clock,
        *,
        headers: Mapping[str, str] | None = None,
        interval_s: float = LEAST_INTERVAL_S,
    ) -> None:
        super().__init__("subgraph", clock, max(interval_s, LEAST_INTERVAL_S))
        self._url = url
        self._web = web
        self._headers = dict(headers or {})

    async def _fetch(self) -> Members:
        round_ = subgraph.decode_round(await self._post(subgraph.round_query()))
        found: list[RegisteredOrchestrator] = []
        after = ""
        for _ in range(subgraph.MAX_PAGES):
            rows, following = subgraph.decode_page(await self._post(subgraph.page_query(round_, after)))
            found += [
                RegisteredOrchestrator(
                    row.address,
                    row.service_uri,
                    row.stake,
                    active=row.activation_round <= round_ < row.deactivation_round,
                )
                for row in rows
            ]
            # A page that does not move on would go round for ever.
            if following is None or following <= after:
                break
            after = following
        else:
            raise MalformedMessage("subgraph", f"more than {subgraph.MAX_PAGES} pages")
        return sorted(found, key=lambda member: -member.stake)

    async def _post(self, query: bytes) -> bytes:
        return await self._web.post(self._url, query, headers=self._headers, timeout_s=SUBGRAPH_TIMEOUT_S)


class MergedSource:
    """Several sources as one pool: `lists` in order of preference, with the facts of `chain`.

    Without `lists` it is the chain's pool. With `everybody` the chain's members are there beside the lists', else only
    those of the first list that has any. A source that fails is left out while another one answers.
    """

    def __init__(
        self, lists: Sequence[OrchestratorSource], chain: OrchestratorSource | None, *, everybody: bool = False
    ) -> None:
        self._lists = tuple(lists)
        self._chain = chain
        self._everybody = everybody

    async def orchestrators(self) -> Members:
        failures: list[LivepeerError] = []
        found: list[Members] = []
        for source in self._lists:
            members = await _asked(source, failures)
            if members:
                found.append(members)
                if not self._everybody:
                    break
        registered = await _asked(self._chain, failures) if self._chain is not None else ()
        if registered and (self._everybody or not self._lists):
            found.append(registered)
        if not found and failures:
            raise failures[0]
        return merge(found, registered)


async def _asked(source: OrchestratorSource, failures: list[LivepeerError]) -> Members:
    try:
        return await source.orchestrators()
    except LivepeerError as error:
        failures.append(error)
        _log.warning("a source of orchestrators is left out reason=%s", error)
        return ()
