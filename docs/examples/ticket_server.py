"""Be paid by Livepeer tickets in a server of your own.

`GET /quote?sender=0x…` answers with price and ticket params; a request to `/work` brings the header `Livepeer-Payment`.
The tickets are judged, winners are on disk before the answer leaves, and what was paid is the sender's balance. Each
request costs 1,000 units of work. Whoever holds the recipient's key redeems the winners: `redeem_batch.py`.

usage: python ticket_server.py RPC_URL addresses.json 0xRECIPIENT
"""

import asyncio
import itertools
import sys
from fractions import Fraction

from aiohttp import web

from livepeer_client import (
    Address,
    ChainView,
    JsonRpc,
    LivepeerError,
    OrchestratorInfo,
    PaymentService,
    PriceList,
    RecipientConfig,
    SqliteTicketStore,
    Suite,
    SystemClock,
    Tariff,
    Wei,
    load_addresses,
    parse_address,
)
from livepeer_client.codec import wire

UNITS = 1_000
SESSION = "example"


async def main(rpc_url: str, addresses: str, recipient_hex: str) -> None:
    recipient, clock, number = parse_address(recipient_hex), SystemClock(), itertools.count()
    async with JsonRpc(rpc_url) as rpc, await SqliteTicketStore.open("tickets.sqlite") as store:
        suite = Suite(rpc, load_addresses(addresses))
        till = PaymentService(
            recipient=RecipientConfig(recipient, ev=Wei(10**15), max_face_value=Wei(2 * 10**15), redeem_gas=1),
            prices=lambda: PriceList(Tariff(Fraction(10**12))),
            auto_adjust=False,
            store=store,
            view=ChainView(suite, clock, recipient, poll_interval_s=1.0),
            clock=clock,
        )

        async def quote(request: web.Request) -> web.Response:
            price, params = await till.quote(parse_address(request.query["sender"]), SESSION)
            info = OrchestratorInfo("", params, price, recipient, None, None)
            return web.Response(body=wire.encode_orchestrator_info(info))

        async def work(request: web.Request) -> web.Response:
            try:
                payment = wire.payment_from_header(request.headers["Livepeer-Payment"])
                credit = await till.receive(payment, SESSION)
                await till.charge_ahead(Address(payment.sender), SESSION, next(number), UNITS)
            except LivepeerError as error:
                # Errors say both figures: what was asked for and what there was.
                return web.json_response({"error": str(error)}, status=402)
            return web.json_response({"credited": str(credit), "answer": "work"})

        app = web.Application()
        app.add_routes([web.get("/quote", quote), web.post("/work", work)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"ready http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


if len(sys.argv) != 4:
    sys.exit(__doc__)
try:
    asyncio.run(main(*sys.argv[1:]))
except (LivepeerError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
