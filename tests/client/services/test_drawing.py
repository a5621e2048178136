"""Large payments on all cores (offchain-payments 5)."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from livepeer_client.codec.messages import NonceAndSig
from livepeer_client.codec.ticket import TicketSeries
from livepeer_client.policy.receiving import Draw, OpenedPayment, draw_tickets
from livepeer_client.services import drawing
from livepeer_client.services.drawing import CHUNK, INLINE, TicketDrawer
from tests.support.payments import GATEWAY, PRICE, even_odds_quote, make_payment, rand_of, spoil


def opened(tickets: int, *, bad: int | None = None) -> OpenedPayment:
    params = even_odds_quote()
    payment = make_payment(params, range(1, tickets + 1))
    if bad is not None:
        payment = spoil(payment, bad)
    series = TicketSeries(params, GATEWAY, params.expiration)
    return OpenedPayment(series, rand_of(params), PRICE.wei_per_pixel, payment.tickets)


@pytest.mark.parametrize("tickets", [1, INLINE, INLINE + 1, CHUNK, 2 * CHUNK + 7, 600])
async def test_draw__any_number_of_tickets__is_what_one_after_the_other_gives_in_their_order(tickets: int) -> None:
    drawer, payment = TicketDrawer(2), opened(tickets, bad=tickets - 1)
    draws = await drawer.draw(payment)
    assert draws == draw_tickets(payment, payment.tickets)
    assert draws[-1] is Draw.UNSIGNED
    assert tickets < INLINE or {Draw.LOST, Draw.WON} <= set(draws)
    drawer.close()


async def test_draw__a_large_payment__is_drawn_by_other_threads_in_parts_while_the_loop_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both threads have to be at work at once for the barrier to open, and the loop for its timer to run."""
    both, turns = threading.Barrier(2, timeout=60), 0

    def slow(payment: OpenedPayment, tickets: Sequence[NonceAndSig]) -> list[Draw]:
        both.wait()
        return draw_tickets(payment, tickets)

    monkeypatch.setattr(drawing, "draw_tickets", slow)
    drawer, payment = TicketDrawer(2), opened(2 * CHUNK)

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    turning = asyncio.create_task(turn())
    draws = await drawer.draw(payment)
    turning.cancel()
    assert len(draws) == 2 * CHUNK
    assert turns > 0
    drawer.close()
