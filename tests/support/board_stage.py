"""A node's store with winners that wait, on a real chain: what a board is looked at over."""

from fractions import Fraction
from pathlib import Path

from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.facts import ReceivedPayment
from livepeer_client.nodes.stores import open_tickets
from livepeer_client.types import Hash32, Wei
from scripts._ports import free_port
from tests.client.nodes.test_orchestrator import configure
from tests.support.anvil import ETH, GATEWAY, Role, Stage

ROUND_BLOCKS = 200
POOR = Role("poor gateway")


async def winners_wait(
    chain: tuple[str, Addresses], stage: Stage, folder: Path, store_url: str | None = None
) -> list[Hash32]:
    """Settings in `folder`, and three winners in the store of a node that does not run: two wait for cheaper gas, one
    for funds. The store is a file there, or a PostgreSQL store."""
    configure(folder, chain, free_port(), **({} if store_url is None else {"store_url": store_url}))
    (folder / "data").mkdir(mode=0o700)
    # Going back to a snapshot does not take the base fee back.
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(10**6)])
    await stage.mine()
    await stage.rpc.call("anvil_setBalance", ["0x" + POOR.address.hex(), hex(10 * ETH)])
    await stage.transactor(POOR).send("TicketBroker", "fundDeposit", [], value=Wei(ETH))
    for gwei in [2] * 40 + [10]:
        await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(gwei * 10**9)])
        await stage.mine()
    winners = (
        await stage.winner(nonce=1, face_value=Wei(ETH // 100)),
        await stage.winner(nonce=2, face_value=Wei(ETH // 50)),
        await stage.winner(nonce=3, face_value=Wei(3 * ETH), sender=POOR),
    )
    await stage.mine(2)
    # The next block, with whatever is sent, is as dear.
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(10 * 10**9)])
    async with await open_tickets(folder / "data" / "orchestrator.sqlite", store_url) as store:
        await store.record_payment(ReceivedPayment(GATEWAY.address, "board", len(winners), Fraction(1), winners))
    return [winner.ticket.hash for winner in winners]


async def stored(folder: Path, store_url: str | None = None) -> dict[Hash32, tuple[object, int, str | None]]:
    """State, payment and hold of each ticket, as whoever reads the store beside the board sees it."""
    path = folder / "data" / "orchestrator.sqlite"
    async with await open_tickets(path, store_url, read_only=True) as store:
        return {each.hash: (each.state, each.paid, each.hold) for each in await store.tickets()}
