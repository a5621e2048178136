"""What a board is drawn from, and what finds the orchestrators on it."""

from typing import Protocol

from livepeer_client.policy.board.facts import BoardFacts, Market


class MarketView(Protocol):
    """One look at the orchestrators of the network: a gateway's discovery, or the pool on chain."""

    async def look(self) -> Market:
        """:raises ChainError, TransportError: nobody can be told now."""


class BoardSource(Protocol):
    """One look at everything that a board shows."""

    async def look(self) -> BoardFacts:
        """:raises ChainError, StoreError: what is shown stays."""

    async def look_at_market(self) -> Market:
        """As `MarketView.look`; its result is part of all later looks."""
