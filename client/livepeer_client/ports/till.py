"""What services that sell work need of whoever is paid for it."""

from fractions import Fraction
from typing import Protocol

from livepeer_client.codec.messages import Capabilities, Payment, PriceInfo
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.types import Address


class Till(Protocol):
    """Terms, credit and charges of an orchestrator's customers.

    `services.payment.PaymentService` takes tickets; `services.offchain.FreeTill` gives work away. Amounts are wei,
    exact; what each method raises is said there.
    """

    async def quote(
        self, sender: Address, session_id: str = "", job: Capabilities | None = None
    ) -> tuple[PriceInfo | None, TicketParams | None]:
        """Price and ticket params; neither where work is given away."""

    async def quote_at(self, sender: Address, price: Fraction) -> tuple[PriceInfo | None, TicketParams | None]:
        """The same at a price that is agreed already."""

    def advertised(self, sender: Address) -> tuple[PriceInfo, ...]:
        """Prices of all models."""

    @property
    def last_quote(self) -> TicketParams | None: ...

    async def receive(self, payment: Payment, session_id: str, *, transcoding: bool = False) -> Fraction:
        """Take a payment; the credit."""

    async def session_price(self, sender: Address, session_id: str) -> Fraction | None:
        """The price fixed for a session, or None."""

    def balance(self, sender: Address, session_id: str) -> Fraction: ...

    def require_balance(self, sender: Address, session_id: str) -> None: ...

    async def charge(self, sender: Address, session_id: str, seq: int, pixels: int) -> Fraction:
        """The fee."""

    async def charge_ahead(self, sender: Address, session_id: str, seq: int, units: int) -> Fraction:
        """The fee."""

    async def charge_fee(self, sender: Address, session_id: str, seq: int, units: int, price: Fraction) -> Fraction:
        """The balance after it."""

    async def sweep(self) -> None:
        """Forget what nobody can use any more."""


class Senders(Protocol):
    """Who a request is from."""

    def of_request(self, address: bytes, sig: bytes) -> Address:
        """:raises BadCredentials: `GetOrchestrator` is not asked by the address it names."""

    def of_segment(self, sender: bytes, sig: bytes, digest: bytes) -> Address:
        """:raises BadCredentials: `ErrSegSig`, the credentials are not signed by `sender`."""
