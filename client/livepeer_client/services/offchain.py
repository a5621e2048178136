"""A network without a chain: nobody has a key, so nothing is signed, and nothing is paid (offchain-network 0, 2.4).

What keeps strangers apart there is the auth token alone: it is given to whoever asks, is worth one session, and is
signed by the orchestrator with a key that no other has.
"""

from fractions import Fraction
from typing import Final

from livepeer_client.codec.messages import Capabilities, Payment, PriceInfo
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.types import ADDRESS_BYTES, Address, Signature

NOBODY: Final = Address(bytes(ADDRESS_BYTES))
"""Everybody's address, since nobody can prove one."""

_NOTHING: Final = Fraction(0)


class NoKey:
    """A `Signer` that has nothing to sign with: its signatures are empty, as the network's are without a chain."""

    @property
    def address(self) -> Address:
        return NOBODY

    async def sign(self, digest: bytes) -> Signature:
        return Signature(b"")


class AnySender:
    """`Senders` that nobody can tell apart: whatever address or signature they send, they are `NOBODY`."""

    def of_request(self, address: bytes, sig: bytes) -> Address:
        return NOBODY

    def of_segment(self, sender: bytes, sig: bytes, digest: bytes) -> Address:
        return NOBODY


class FreeTill:
    """A `Till` that takes nothing and refuses nobody. No session has a price, so none can be renewed by its name: who
    wants a token asks for a new one."""

    async def quote(
        self, sender: Address, session_id: str = "", job: Capabilities | None = None
    ) -> tuple[PriceInfo | None, TicketParams | None]:
        return None, None

    async def quote_at(self, sender: Address, price: Fraction) -> tuple[PriceInfo | None, TicketParams | None]:
        return None, None

    def advertised(self, sender: Address) -> tuple[PriceInfo, ...]:
        return ()

    @property
    def last_quote(self) -> TicketParams | None:
        return None

    async def receive(self, payment: Payment, session_id: str, *, transcoding: bool = False) -> Fraction:
        """No quote of ours carries tickets, so there are none to judge; what comes all the same is not kept."""
        return _NOTHING

    async def session_price(self, sender: Address, session_id: str) -> Fraction | None:
        return None

    def balance(self, sender: Address, session_id: str) -> Fraction:
        return _NOTHING

    def require_balance(self, sender: Address, session_id: str) -> None:
        return None

    async def charge(self, sender: Address, session_id: str, seq: int, pixels: int) -> Fraction:
        return _NOTHING

    async def charge_ahead(self, sender: Address, session_id: str, seq: int, units: int) -> Fraction:
        return _NOTHING

    async def charge_fee(self, sender: Address, session_id: str, seq: int, units: int, price: Fraction) -> Fraction:
        return _NOTHING

    async def sweep(self) -> None:
        return None
