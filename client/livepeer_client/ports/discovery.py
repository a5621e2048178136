"""What discovery needs of the outside: lists of orchestrators, a place to remember them, and a way to fetch JSON."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.facts import KnownOrchestrator
from livepeer_client.types import Address, Round


class OrchestratorSource(Protocol):
    """A list of orchestrators to ask: the chain's pool, a webhook's, a file's, or several as one."""

    async def orchestrators(self) -> Sequence[RegisteredOrchestrator]:
        """Everybody it knows now. An empty list is a normal answer.

        :raises LivepeerError: it cannot be told, and nothing was known before either.
        """


class OrchestratorCache(Protocol):
    """Orchestrators remembered over restarts. A method that returns has committed; all raise `StoreError`."""

    async def save_orchestrators(self, rows: Sequence[KnownOrchestrator]) -> None:
        """Insert or update by address. A row without a URI, a stake or a price keeps the old one of those; its time
        is the store's clock."""

    async def known_orchestrators(self, round_: Round) -> list[KnownOrchestrator]:
        """Those who have not left before `round_`, the largest stake first."""


class WebClient(Protocol):
    """Fetches small documents from services that the operator named, over verified TLS."""

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        """The body of a 2xx answer.

        :raises PeerTimeout, PeerUnreachable, PeerRefused: no such answer.
        :raises MalformedMessage: a body beyond 4 MiB.
        """

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        """As `get`, with a JSON body. Only status 200 counts."""


class KeyProofs(Protocol):
    """Where a key was proven before, so that not every discovery asks again."""

    async def recall(self, uri: str) -> Address | None:
        """Whose key was proven at `uri`, as far as that still counts."""

    async def remember(self, uri: str, address: Address) -> None:
        """A key was proven there just now."""
