"""What a worker of a brought-along capability answers, and what a gateway buys of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and headers, and the body bit by bit."""

    status: int
    content_type: str
    metadata: str
    body: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class ByocAnswer:
    """An orchestrator's answer with status 200: whole, or event by event. `balance`, wei, None if it does not say."""

    content_type: str
    metadata: str
    balance: int | None
    body: bytes | AsyncIterator[bytes] = field(repr=False)
