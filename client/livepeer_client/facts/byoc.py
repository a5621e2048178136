"""What a worker of a brought-along capability answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and headers, and the body bit by bit."""

    status: int
    content_type: str
    metadata: str
    body: AsyncIterator[bytes]
