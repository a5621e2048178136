"""The redemption, round and reward services against the real contracts."""

from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.adapters.chain.json_values import to_hex
from livepeer_client.adapters.chain.suite import FINALIZED_DEPTH
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.adapters.fakes import ManualClock, MemoryTicketStore
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import Calldata, ReceivedPayment, SignedTransaction, TicketState
from livepeer_client.policy.redemption import Reason, RedemptionPolicy
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.reward import RewardService
from livepeer_client.services.rounds import RoundsService
from livepeer_client.types import BlockNumber, Hash32, Wei
from tests.support.anvil import ALICE, BOB, ETH, GATEWAY, STRANGER, Role, Stage

POLICY = RedemptionPolicy(params_margin_blocks=0)


async def held(*winners: WinningTicket) -> MemoryTicketStore:
    store = MemoryTicketStore()
    await store.record_payment(ReceivedPayment(GATEWAY.address, "session", len(winners), Fraction(1), winners))
    return store


def redeemer(stage: Stage, store: MemoryTicketStore, policy: RedemptionPolicy = POLICY) -> RedemptionService:
    return RedemptionService(stage.suite, stage.mined_transactor(ALICE), store, ManualClock(), policy)


async def test_redemption__of_good_and_bad_winners__pays_the_good_to_the_wei(stage: Stage) -> None:
    good = [await stage.winner(nonce=nonce) for nonce in (1, 2, 3)]
    forged = await stage.winner(nonce=4, face_value=Wei(ETH // 100))
    forged = WinningTicket(forged.ticket, good[0].sig, forged.recipient_rand, forged.params_expiration_block)
    huge = await stage.winner(nonce=5, face_value=Wei(9 * ETH))
    early = await stage.winner(nonce=6)
    early = WinningTicket(early.ticket, early.sig, early.recipient_rand, BlockNumber(10**6))
    store = await held(*good, forged, huge, early)

    report = await redeemer(stage, store).step()

    by_hash = {ticket.hash: ticket for ticket in await store.tickets()}
    paid = [by_hash[winner.ticket.hash] for winner in good]
    assert {(ticket.state, ticket.paid) for ticket in paid} == {(TicketState.PAID, ETH // 1000)}
    assert {by_hash[winner.ticket.hash].state for winner in (forged, huge, early)} == {TicketState.HELD}
    reasons = {decision.hash: decision for decision in report.decisions}
    assert reasons[forged.ticket.hash].figures["text"] == "invalid signature over ticket hash"
    assert reasons[huge.ticket.hash].reason is Reason.FUNDS_SHORT
    assert reasons[early.ticket.hash].reason is Reason.PARAMS_VALID
    logs = await stage.suite.logs("TicketBroker", "WinningTicketTransfer", BlockNumber(0), await stage.suite.height())
    assert [log.args["amount"] for log in logs] == [ticket.paid for ticket in paid]
    assert (await stage.suite.sender_info(GATEWAY.address)).deposit == ETH - 3 * (ETH // 1000)
    assert {log.tx_hash for log in logs} == set(report.sent)


async def test_redemption__of_tickets_that_share_their_terms__takes_the_compact_call(stage: Stage) -> None:
    winners = [await stage.winner(nonce=nonce) for nonce in range(1, 6)]
    other = await stage.winner(nonce=9, face_value=Wei(ETH // 500))
    costs = []
    for tickets, kind in ((winners, Calldata.COMPACT), ([other, *winners], Calldata.BATCH)):
        async with stage.taken_back():
            store = await held(*tickets)
            report = await redeemer(stage, store).step()
            assert [batch.batch.calldata for batch in await store.batches()] == [kind]
            assert {ticket.state for ticket in await store.tickets()} == {TicketState.PAID}
            receipt = await stage.transactor(ALICE).receipt(report.sent[0])
            assert receipt is not None
            costs.append(receipt.gas_used // len(tickets))
    assert costs[0] < costs[1]


async def test_redemption__of_a_large_group_of_the_same_terms_among_others__takes_both_calls(stage: Stage) -> None:
    group = [await stage.winner(nonce=nonce) for nonce in (1, 2, 3)]
    others = [await stage.winner(nonce=nonce, face_value=Wei(ETH // (500 + nonce))) for nonce in (8, 9)]
    store = await held(*group, *others)
    report = await redeemer(stage, store, replace(POLICY, compact_group=3)).step()
    kinds = {batch.batch.calldata: set(batch.batch.tickets) for batch in await store.batches()}
    assert kinds == {
        Calldata.COMPACT: {winner.ticket.hash for winner in group},
        Calldata.BATCH: {winner.ticket.hash for winner in others},
    }
    assert len(report.sent) == 2
    assert {ticket.state for ticket in await store.tickets()} == {TicketState.PAID}


@pytest.mark.parametrize(("senders", "tickets"), [(1, 2), (1, 6), (5, 2), (5, 6)])
async def test_explain__before_a_batch_is_sent__estimates_no_less_than_it_costs(
    stage: Stage, senders: int, tickets: int
) -> None:
    roles = [GATEWAY, *(Role(f"explained sender {number}") for number in range(1, senders))]
    for role in roles[1:]:
        await stage.rpc.call("anvil_setBalance", [to_hex(role.address), hex(10 * ETH)])
        wallet = stage.transactor(role)
        await wallet.send("TicketBroker", "fundDepositAndReserve", [ETH, ETH], value=Wei(2 * ETH))
    # Values differ, so that the compact call does not take them.
    winners = [
        await stage.winner(nonce=nonce, sender=roles[nonce % senders], face_value=Wei(ETH // (500 + nonce)))
        for nonce in range(tickets)
    ]
    store = await held(*winners)
    service = redeemer(stage, store)
    told = await service.survey()
    assert {each.in_batch_of for each in told} == {tickets}
    price = (await stage.suite.head()).gas_price
    estimated = sum(each.batch_cost or 0 for each in told) // price
    alone = sum(each.single_cost or 0 for each in told) // price
    (sent,) = (await service.step()).sent
    receipt = await stage.transactor(ALICE).receipt(sent)
    assert receipt is not None
    assert receipt.gas_used <= estimated < alone
    # Each estimate is of the first redemption in its round, which only the first one of the batch is.
    assert estimated < receipt.gas_used * 2


async def test_redemption__drawing_on_the_reserve__stops_at_the_recipients_share(stage: Stage) -> None:
    winners = [await stage.winner(nonce=nonce, face_value=Wei(ETH // 2)) for nonce in range(1, 5)]
    store = await held(*winners)
    await redeemer(stage, store).step()
    # One ETH of deposit and, shared by two orchestrators, half an ETH of reserve.
    states = sorted(ticket.state.value for ticket in await store.tickets())
    assert states == ["held", "paid", "paid", "paid"]
    info = await stage.suite.sender_info(GATEWAY.address)
    assert (info.deposit, info.reserve, info.claimed_in_current_round) == (0, ETH // 2, ETH // 2)


async def test_redemption__of_a_ticket_that_a_stranger_redeemed__records_it(stage: Stage) -> None:
    winner = await stage.winner()
    theirs = await held(winner)
    await RedemptionService(stage.suite, stage.mined_transactor(STRANGER), theirs, ManualClock(), POLICY).step()
    store = await held(winner)
    service = redeemer(stage, store)
    assert [decision.reason for decision in (await service.step()).decisions] == [Reason.USED]
    await stage.mine(FINALIZED_DEPTH)
    await service.step()
    assert [ticket.state for ticket in await store.tickets()] == [TicketState.USED_ELSEWHERE]


async def test_redemption__of_batches_that_no_node_takes_yet__keeps_their_nonces_apart(stage: Stage) -> None:
    store = await held(*[await stage.winner(nonce=nonce, face_value=Wei(nonce * ETH // 10)) for nonce in (1, 2)])
    await stage.rpc.call("evm_setAutomine", [False])
    before = (await stage.suite.head()).base_fee
    # The next block will charge far more than twice what the last one did.
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(50 * 10**9)])
    policy = RedemptionPolicy(params_margin_blocks=0, batch_max=1, patience=Fraction(1))
    service = RedemptionService(stage.suite, stage.transactor(ALICE), store, ManualClock(), policy)
    assert len((await service.step()).sent) == 2
    first, second = [stored.batch for stored in await store.batches()]
    assert second.nonce == first.nonce + 1
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(before)])
    await stage.mine()
    await service.step()
    await stage.mine()
    await service.step()
    assert {ticket.state for ticket in await store.tickets()} == {TicketState.PAID}


async def test_redemption__over_two_rounds__expires_only_what_is_too_old(stage: Stage) -> None:
    old = await stage.winner(nonce=1)
    await stage.next_round()
    recent = await stage.winner(nonce=2)
    await stage.next_round()
    store = await held(old, recent)
    service = redeemer(stage, store)
    await service.step()
    await stage.mine(FINALIZED_DEPTH)
    await service.step()
    states = {ticket.hash: ticket.state for ticket in await store.tickets()}
    assert states == {old.ticket.hash: TicketState.EXPIRED, recent.ticket.hash: TicketState.PAID}


async def test_redemption__restarted_after_the_broadcast__settles_from_the_receipt(stage: Stage) -> None:
    winner = await stage.winner()
    store = await held(winner)
    await stage.rpc.call("evm_setAutomine", [False])
    impatient = RedemptionService(stage.suite, stage.transactor(ALICE), store, ManualClock(), POLICY)
    sent = (await impatient.step()).sent
    assert [ticket.state for ticket in await store.tickets()] == [TicketState.SENT]
    await stage.rpc.call("evm_setAutomine", [True])
    await stage.mine()
    await redeemer(stage, store).step()
    (ticket,) = await store.tickets()
    assert (ticket.state, ticket.paid, ticket.tx_hash) == (TicketState.PAID, ETH // 1000, sent[0])


async def test_redemption__displaced_by_another_transaction_of_the_key__is_sent_anew(stage: Stage) -> None:
    winner = await stage.winner()
    store = await held(winner)
    wallet = stage.transactor(ALICE)

    class Killed(Exception):
        pass

    class Dying(Transactor):
        async def broadcast(self, transaction: SignedTransaction) -> None:
            raise Killed

    with pytest.raises(Killed):
        await RedemptionService(stage.suite, Dying(stage.suite, ALICE.key), store, ManualClock(), POLICY).step()
    (batch,) = await store.batches()
    await wallet.send("TicketBroker", "fundDeposit", [], value=Wei(1))
    await redeemer(stage, store).step()
    (ticket,) = await store.tickets()
    assert ticket.state is TicketState.PAID
    assert ticket.tx_hash not in (None, batch.batch.transaction.tx_hash, Hash32(bytes(32)))


async def test_rounds_and_reward__over_a_round_boundary__open_it_and_mint_once(stage: Stage) -> None:
    rounds = RoundsService(stage.suite, stage.transactor(STRANGER), ManualClock(), lambda: 0.0)
    reward = RewardService(stage.suite, stage.transactor(BOB), ManualClock())
    await stage.next_round(initialize=False)
    assert await reward.step() is None
    assert await rounds.step() is not None
    assert await rounds.step() is None
    assert await reward.step() is not None
    assert await reward.step() is None
    state = await stage.suite.round_state()
    assert state.initialized
    assert (await stage.suite.orchestrator_state(BOB.address)).last_reward_round == state.current
    (log,) = await stage.suite.logs("BondingManager", "Reward", BlockNumber(0), await stage.suite.height())
    assert log.args["transcoder"] == BOB.address
