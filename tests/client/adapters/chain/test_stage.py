"""What tests of this folder stand on: nothing that one of them does to the chain reaches the next."""

from tests.support.anvil import ETH, GATEWAY, Stage


async def test_taken_back__gas_dear_and_a_transaction_waiting__leaves_neither(stage: Stage) -> None:
    await stage.mine()
    head, base_fee = await stage.suite.head(), await stage.next_base_fee()
    async with stage.taken_back():
        await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(50 * 10**9)])
        await stage.mine()
        await stage.rpc.call("evm_setAutomine", [False])
        wallet = stage.transactor(GATEWAY)
        await wallet.broadcast(await wallet.prepare("TicketBroker", "fundDeposit", [], value=ETH))
        assert await stage.next_base_fee() > 10**9 > base_fee
    assert await stage.suite.head() == head
    assert await stage.next_base_fee() == base_fee
    await stage.mine()
    assert (await stage.suite.head()).base_fee == base_fee
    nonces = await stage.transactor(GATEWAY).nonces()
    assert nonces.mined == nonces.pending
