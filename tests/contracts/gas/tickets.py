"""Scenarios of the TicketBroker: funding, redemption, withdrawal."""

from __future__ import annotations

from tests.contracts.gas.accounts import account
from tests.contracts.gas.stake import Gas
from tests.contracts.gas.wiring import UNLOCK_PERIOD
from tests.contracts.gas.world import ETH, FACE_VALUE, World

SENDERS = [account(f"sender {index}") for index in range(10)]
SENDER, OTHER_SENDER = SENDERS[:2]
COMPACT_PREFIX = "compactRedeem"
BATCH_SIZES = (1, 5, 10, 25, 50, 100)


def redeem(world: World, gas: Gas) -> None:
    """One ticket after the other, over three rounds; the deposit pays."""
    prefix, label = "redeemWinningTicket.deposit", world.label
    hint = world.neighbours(world.subject)
    world.fund(SENDER, 1000 * ETH, 1000 * ETH)
    gas[f"{prefix}.first_in_round_first_ever.{label}"] = world.redeem(SENDER)
    gas[f"{prefix}.again_same_round.{label}"] = world.redeem(SENDER)
    world.next_round()
    gas[f"{prefix}.first_in_next_round.{label}"] = world.redeem(SENDER)
    gas[f"{prefix}.again_in_next_round.{label}"] = world.redeem(SENDER)
    world.reward(world.subject, hint)
    gas[f"{prefix}.after_reward.{label}"] = world.redeem(SENDER)
    world.next_round()
    world.reward(world.subject, hint)
    gas[f"{prefix}.first_in_round_after_reward.{label}"] = world.redeem(SENDER)


def redeem_from_reserve(world: World, gas: Gas) -> None:
    """The deposit is used up, or was never there."""
    label = world.label
    with world.branch():
        world.fund(SENDER, FACE_VALUE, 1000 * ETH)
        gas[f"redeemWinningTicket.whole_deposit.{label}"] = world.redeem(SENDER)
    with world.branch():
        world.fund(SENDER, FACE_VALUE, 1000 * ETH)
        gas[f"redeemWinningTicket.deposit_and_reserve.{label}"] = world.redeem(SENDER, 2 * FACE_VALUE)
    with world.branch():
        world.fund(OTHER_SENDER, ETH, ETH)
        world.redeem(OTHER_SENDER)
        world.fund(SENDER, 0, 1000 * ETH)
        gas[f"redeemWinningTicket.reserve.first_claim_in_round.{label}"] = world.redeem(SENDER)
        gas[f"redeemWinningTicket.reserve.again_in_round.{label}"] = world.redeem(SENDER)


def redeem_batches(world: World, gas: Gas) -> None:
    """The recipient had its reward and fees in this round; deposits pay for everything."""
    for sender in SENDERS:
        world.fund(sender, 1000 * ETH, 1000 * ETH)
    world.reward(world.subject, world.neighbours(world.subject))
    world.redeem(SENDER)
    prefix, label = "batchRedeemWinningTickets", world.label
    for name, senders in {"1_sender": SENDERS[:1], "10_senders": SENDERS}.items():
        for size in BATCH_SIZES:
            with world.branch():
                tickets = [world.ticket(senders[index % len(senders)]) for index in range(size)]
                gas[f"{prefix}.{name}.N{size}.{label}"] = world.present_all(tickets)
    for size in BATCH_SIZES:
        with world.branch():
            tickets = [world.ticket(SENDER) for _ in range(size)]
            gas[f"{COMPACT_PREFIX}.1_sender.N{size}.{label}"] = world.present_compactly(tickets)
    tickets = [world.ticket(SENDER) for _ in range(10)]
    world.present(tickets[4])
    gas[f"{prefix}.1_sender.N10_one_used.{label}"] = world.present_all(tickets)


def fund(world: World, gas: Gas) -> None:
    """Each kind of funding by an account that never did and by one that did before."""
    broker = "TicketBroker"
    world.chain.give_ether(SENDER.address, 10**6 * ETH)

    def pay(signature: str, *arguments: object, value: int = ETH) -> int:
        return world.suite.send(SENDER.address, broker, signature, *arguments, value=value)

    for name in ("fundDeposit", "fundReserve"):
        with world.branch():
            gas[f"{name}.first"] = pay(f"{name}()")
            gas[f"{name}.again"] = pay(f"{name}()")
    with world.branch():
        for turn in ("first", "again"):
            gas[f"fundDepositAndReserve.{turn}"] = pay(
                "fundDepositAndReserve(uint256,uint256)", ETH, 2 * ETH, value=3 * ETH
            )
    with world.branch():
        gas["fundDepositAndReserveFor.first"] = pay(
            "fundDepositAndReserveFor(address,uint256,uint256)", OTHER_SENDER.address, ETH, 2 * ETH, value=3 * ETH
        )


def leave(world: World, gas: Gas) -> None:
    """Unlock, and what may follow."""
    broker, sender = "TicketBroker", SENDER.address
    world.fund(SENDER, ETH, 2 * ETH)
    gas["unlock"] = world.suite.send(sender, broker, "unlock()")
    with world.branch():
        gas["cancelUnlock"] = world.suite.send(sender, broker, "cancelUnlock()")
    with world.branch():
        gas["fundDeposit.cancels_unlock"] = world.suite.send(sender, broker, "fundDeposit()", value=ETH)
    world.next_round(UNLOCK_PERIOD)
    gas["withdraw"] = world.suite.send(sender, broker, "withdraw()")
