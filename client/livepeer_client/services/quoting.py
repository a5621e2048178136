"""An orchestrator's quotes: price and ticket params for one sender (offchain-payments 3, 7 and 11.1)."""

import secrets
from collections.abc import Callable
from fractions import Fraction

from livepeer_client.codec.messages import Capabilities, PriceInfo
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.errors import ChainError, PaymentRefused, QuoteRefused
from livepeer_client.facts import TicketState
from livepeer_client.policy.price import as_decimal, price_to_info, with_overhead
from livepeer_client.policy.price_list import PriceList
from livepeer_client.policy.recipient import (
    FloatFigures,
    RecipientConfig,
    explained,
    max_float,
    quote,
    quotes_end,
    tx_cost_multiplier,
)
from livepeer_client.ports import TicketStore
from livepeer_client.services.chain_view import ChainView, Moment
from livepeer_client.types import Address, Hash32, Wei

Prices = Callable[[], PriceList]
"""The prices now; those in another currency change with its rate."""


class QuoteService:
    """Quotes under one secret. With `auto_adjust` prices also cover the cost of redemption (offchain-payments 7c)."""

    def __init__(
        self,
        *,
        recipient: RecipientConfig,
        prices: Prices,
        auto_adjust: bool,
        secret: bytes,
        store: TicketStore,
        view: ChainView,
    ) -> None:
        self.recipient = recipient
        self._prices = prices
        self._auto_adjust = auto_adjust
        self._secret = secret
        self._store = store
        self._view = view
        self._winners: dict[Address, int] = {}
        self._winners_as_of: tuple[Hash32, int] | None = None
        self._winners_recorded = 0
        self.last: TicketParams | None = None
        """The terms quoted last, whoever asked."""

    async def quote(
        self, sender: Address, *, fixed: Fraction | None, job: Capabilities | None
    ) -> tuple[PriceInfo, TicketParams]:
        """Price and ticket params for `sender`, at a price that is `fixed` already, or at that of `job`.

        :raises QuoteRefused: its deposit and reserve do not carry a ticket, or tickets of the last initialised round
            are about to lapse; with figures and what would help.
        :raises PriceUnavailable: a price in another currency cannot be told now.
        :raises ChainError, StoreError: the chain or the store cannot be read.
        """
        moment = await self._view.moment()
        facts = await self._view.sender(sender)
        open_winners = Wei((await self._open_winners(moment)).get(sender, 0))
        trusted = max_float(deposit=facts.info.deposit, allocation=facts.claimable_reserve, open_winners=open_winners)
        try:
            info, self.last = self._quote(sender, fixed, job, moment, trusted)
            return info, self.last
        except QuoteRefused as refusal:
            if "max_float" not in refusal.figures:
                raise
            try:
                pool_size, claimed = await self._view.reserve_share(sender)
            except ChainError:
                raise refusal from None
            figures = FloatFigures(facts.info, facts.claimable_reserve, claimed, pool_size, open_winners)
            raise explained(refusal, figures) from refusal

    def base_price(self, sender: Address) -> Fraction:
        """Wei per pixel of transcoding for `sender`. Raises as `quote`."""
        return self._prices().price(sender)

    def refuse_below_base(self, price: PriceInfo | None, sender: Address) -> None:
        """:raises PaymentRefused: a price below that of transcoding for `sender`. The text makes a gateway ask anew.
        :raises PriceUnavailable: as `quote`.
        """
        least = price_to_info(as_decimal(self.base_price(sender))).wei_per_pixel
        if price is not None and price.pixels_per_unit and price.wei_per_pixel < least:
            raise PaymentRefused("TicketParams expired", price=price.wei_per_pixel, least=least)

    def advertised(self, sender: Address) -> tuple[PriceInfo, ...]:
        """Prices of all models for `sender`. Raises as `quote`."""
        return self._prices().advertised(sender)

    def winners_recorded(self, count: int) -> None:
        """New winners are in the store; they count from the next quote on."""
        self._winners_recorded += count

    def _quote(
        self, sender: Address, fixed: Fraction | None, job: Capabilities | None, moment: Moment, trusted: int
    ) -> tuple[PriceInfo, TicketParams]:
        info = price_to_info(self._price(sender, job, moment, trusted) if fixed is None else fixed)
        params = quote(
            self.recipient,
            secret=self._secret,
            seed=int.from_bytes(secrets.token_bytes(32), "big"),
            sender=sender,
            # The price as it travels: what does not fit the wire was rounded, and the sender returns that.
            price=info.wei_per_pixel,
            gas_price=moment.gas_price,
            max_float=trusted,
            last_seen_l1_block=moment.head.l1_block,
            expiration=moment.expiration,
            ends_by=quotes_end(self.recipient, moment.expiration, moment.round, moment.validity_rounds),
        )
        return info, params

    def _price(self, sender: Address, job: Capabilities | None, moment: Moment, trusted: int) -> Fraction:
        price = as_decimal(self._prices().price(sender, job))
        if not self._auto_adjust or price <= 0:
            return price
        multiplier = tx_cost_multiplier(self.recipient, gas_price=moment.gas_price, max_float=trusted)
        return with_overhead(price, multiplier)

    async def _open_winners(self, moment: Moment) -> dict[Address, int]:
        """Face value of winners held or in flight by sender, read again after each block and each new winner."""
        as_of = (moment.head.block_hash, self._winners_recorded)
        if self._winners_as_of != as_of:
            winners: dict[Address, int] = {}
            for stored in await self._store.tickets(TicketState.HELD, TicketState.SENT):
                ticket = stored.winner.ticket
                winners[ticket.sender] = winners.get(ticket.sender, 0) + ticket.face_value
            self._winners, self._winners_as_of = winners, as_of
        return self._winners
