"""Tickets that share their terms, redeemed in one call: the same as one call per ticket, failures ignored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.evm import Log, Reverted
from tests.support.evm_state import whole_state
from tests.support.evm_world import ETH, LPT, SECOND, SENDER, STRANGER, TRANSCODER, Call, World, make_world
from tests.support.tickets import MAX_UINT256, Signed, batch, compact, compact_batch, draw, make_signed, word

FACE = 10**15
MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
# Reasons that lie in the terms, for which the one call reverts.
SHARED = (
    "ticket is expired",
    "sender is unlocked",
    "sender deposit and reserve are zero",
    "transcoder must be active",
)
OTHER_KEY = b"\x77" * 32


@pytest.fixture
def world() -> World:
    return make_world()


def expanded(r: bytes, vs: bytes) -> bytes:
    """The signature of 65 bytes that a packed one stands for."""
    packed = int.from_bytes(vs, "big")
    return r + word(packed & (2**255 - 1)) + bytes([27 + (packed >> 255)])


def redeem_compactly(world: World, signed: list[Signed]) -> Any:
    return world.broker.call("redeemWinningTicketsCompact", *compact_batch(signed), sender=STRANGER)


def redeem_singly(world: World, arguments: tuple[Any, ...]) -> tuple[list[Log], list[str | None]]:
    """One call per ticket of a compact call; its logs, and per ticket the reason of its failure."""
    sender, recipient, face_value, win_prob, creation_round, items = arguments
    block_hash = world.rounds.view("blockHashForRound", creation_round)
    logs: list[Log] = []
    reasons: list[str | None] = []
    for nonce, rand, r, vs in items:
        terms = make_signed(
            key=OTHER_KEY,
            sender=sender,
            recipient=recipient,
            creation_round=creation_round,
            block_hash=block_hash,
            face_value_wei=face_value,
            win_prob=win_prob,
            nonce=nonce,
            recipient_rand=rand,
        )
        single = Call(world.broker, "redeemWinningTicket", terms.with_sig(expanded(r, vs)).arguments(), STRANGER)
        found, reason = attempt(single)
        logs += found
        reasons.append(reason)
    return logs, reasons


def attempt(call: Call) -> tuple[list[Log], str | None]:
    """Logs, or none and the reason of the failure."""
    try:
        return list(call.make().logs), None
    except Reverted as failure:
        return [], failure.reason


def assert_same_as_singles(world: World, arguments: tuple[Any, ...]) -> list[str | None]:
    """Call, compare with single calls from the same state; per ticket the reason of the single call's failure.

    Where all single ones fail for what their terms have in common, it reverts with that reason.
    """
    with world.evm.rolled_back():
        logs, reasons = redeem_singly(world, arguments)
        expected = whole_state(world.evm)
    found, refusal = attempt(Call(world.broker, "redeemWinningTicketsCompact", arguments, STRANGER))
    in_the_terms = {reason for reason in reasons if reason in SHARED}
    if None in reasons:
        # Whatever later ones fail for, the last of the funds included.
        assert refusal is None
    elif in_the_terms:
        assert refusal in in_the_terms
    else:
        # A ticket may fail for itself before its single call comes to the fault of the terms.
        assert refusal is None or refusal in SHARED
    assert found == logs
    assert whole_state(world.evm) == expected
    return reasons


# --- one by one -------------------------------------------------------------------------------------------------------


def test_redeem_winning_tickets_compact__good_tickets__are_redeemed_in_order(world: World) -> None:
    signed = [world.ticket(face_value_wei=FACE, recipient_rand=rand) for rand in (7, 8, 9)]

    receipt = redeem_compactly(world, signed)

    assert [event.name for event in receipt.events] == ["WinningTicketTransfer", "WinningTicketRedeemed"] * 3
    assert receipt.events[1].args == {
        "sender": SENDER,
        "recipient": TRANSCODER,
        "faceValue": FACE,
        "winProb": MAX_UINT256,
        "senderNonce": signed[0].ticket.sender_nonce,
        "recipientRand": 7,
        "auxData": signed[0].ticket.aux_data,
    }
    assert all(world.broker.view("usedTickets", each.ticket.hash()) for each in signed)
    assert world.broker.view("getSenderInfo", SENDER)[0][0] == ETH - 3 * FACE


@pytest.mark.parametrize("both", [27, 28])
def test_redeem_winning_tickets_compact__either_v__is_rebuilt(world: World, both: int) -> None:
    signed = next(each for each in iter(lambda: world.ticket(), None) if each.sig[64] == both)

    assert assert_same_as_singles(world, compact_batch([signed])) == [None]


def test_redeem_winning_tickets_compact__r7_draw__is_over_the_65_bytes(world: World) -> None:
    """A win probability between the draws over the two forms of the signature tells which one counts."""
    signed = world.ticket()
    long, short = draw(signed.sig, 7), draw(compact(signed.sig), 7)
    for _ in range(200):
        signed = world.ticket(win_prob=2**255)
        long, short = draw(signed.sig, 7), draw(compact(signed.sig), 7)
        if long < 2**255 <= short:
            break
    assert long < 2**255 <= short

    assert assert_same_as_singles(world, compact_batch([signed])) == [None]


def test_redeem_winning_tickets_compact__r7_high_s__is_left_out(world: World) -> None:
    arguments = list(compact_batch([world.ticket(), world.ticket()]))
    nonce, rand, r, _ = arguments[5][0]  # type: ignore[index]
    arguments[5][0] = (nonce, rand, r, word(MAX_S + 1))  # type: ignore[index]

    assert assert_same_as_singles(world, tuple(arguments)) == ["ECDSA: invalid signature 's' value", None]


def test_redeem_winning_tickets_compact__k25_faulty_tickets__are_left_out_and_stay_redeemable(world: World) -> None:
    used, short, good = world.ticket(), world.ticket(), world.ticket()
    world.redeem(used)
    foreign = world.ticket(key=OTHER_KEY)
    arguments = compact_batch([used, foreign, short, short, good])

    reasons = assert_same_as_singles(world, arguments)

    assert reasons == ["ticket is used", "invalid signature over ticket hash", None, "ticket is used", None]
    assert not world.broker.view("usedTickets", foreign.ticket.hash())


def test_redeem_winning_tickets_compact__k9_funds_run_out__later_tickets_stay_redeemable(world: World) -> None:
    # One ETH of deposit, and half of one ETH of reserve, which two active transcoders share.
    face_value = 4 * ETH // 10
    signed = [world.ticket(face_value_wei=face_value) for _ in range(5)]

    reasons = assert_same_as_singles(world, compact_batch(signed))

    short = "sender deposit and reserve insufficient to cover ticket face value"
    assert reasons == [None, None, None, short, short]
    assert world.broker.view("claimedReserve", SENDER, TRANSCODER) == 3 * face_value - ETH

    world.fund_sender(2 * face_value, 0)
    assert assert_same_as_singles(world, compact_batch(signed))[3:] == [None, None]


def test_redeem_winning_tickets_compact__reserve_claimed_in_a_batch__is_logged_before_the_transfer(
    world: World,
) -> None:
    signed = [world.ticket(face_value_wei=6 * ETH // 10) for _ in range(2)]

    events = redeem_compactly(world, signed).events

    assert [event.name for event in events[2:]] == [
        "ReserveClaimed",
        "WinningTicketTransfer",
        "WinningTicketRedeemed",
    ]
    assert events[2].args["amount"] == 2 * ETH // 10


def test_redeem_winning_tickets_compact__no_face_value__is_used_without_a_credit(world: World) -> None:
    signed = [world.ticket(face_value_wei=0, recipient=STRANGER) for _ in range(2)]

    assert assert_same_as_singles(world, compact_batch(signed)) == [None, None]


def test_redeem_winning_tickets_compact__k12_recipient_not_active__reverts_as_every_single_call(world: World) -> None:
    signed = [world.ticket(recipient=STRANGER) for _ in range(2)]

    assert assert_same_as_singles(world, compact_batch(signed)) == ["transcoder must be active"] * 2


def test_redeem_winning_tickets_compact__no_tickets__does_nothing(world: World) -> None:
    arguments = (SENDER, TRANSCODER, FACE, MAX_UINT256, world.round, [])

    assert assert_same_as_singles(world, arguments) == []


def test_redeem_winning_tickets_compact__100_tickets__are_all_redeemed(world: World) -> None:
    signed = [world.ticket(face_value_wei=FACE) for _ in range(100)]

    assert assert_same_as_singles(world, compact_batch(signed)) == [None] * 100


def test_redeem_winning_tickets_compact__50_tickets__take_a_quarter_of_the_bytes_of_a_batch(world: World) -> None:
    signed = [world.ticket() for _ in range(50)]
    functions = world.broker.interface.functions

    short = functions["redeemWinningTicketsCompact"].encode(compact_batch(signed))
    long = functions["batchRedeemWinningTickets"].encode(batch(signed))

    assert len(short) <= len(long) / 4
    assert len(short) == 4 + 32 * (7 + 4 * 50)


# --- any batch --------------------------------------------------------------------------------------------------------

FLAWS = ("none", "none", "none", "used", "twice", "signer", "rand", "garbage", "high s")
WIN_PROBS = (MAX_UINT256,) * 5 + (2**255, 0)
# Least number of tickets of each outcome that a run of the property must have seen.
LEAST = {
    None: 60,
    "ticket is used": 10,
    "ticket did not win": 20,
    "invalid signature over ticket hash": 20,
    "ECDSA: invalid signature 's' value": 10,
    "sender deposit and reserve insufficient to cover ticket face value": 10,
    "transcoder must be active": 5,
    "sender is unlocked": 5,
    "ticket is expired": 5,
}


@dataclass(frozen=True)
class Plan:
    """A state, and tickets that share their terms in it."""

    deposit: int
    reserve: int
    face_value: int
    win_prob: int
    recipient: str
    age: int
    has_reward: bool
    claimed_before: bool
    unlocks: bool
    flaws: list[str]


@st.composite
def plans(draw_from: st.DrawFn) -> Plan:
    face_value = draw_from(st.sampled_from([0, 1, FACE, FACE + 7, ETH // 7]))
    worth = st.builds(lambda whole, rest: max(whole * face_value + rest, 0), st.integers(0, 9), st.integers(-2, 2))
    return Plan(
        deposit=draw_from(worth),
        reserve=draw_from(worth),
        face_value=face_value,
        win_prob=draw_from(st.sampled_from(WIN_PROBS)),
        recipient=draw_from(st.sampled_from([TRANSCODER] * 5 + [SECOND, STRANGER])),
        age=draw_from(st.sampled_from([0, 0, 0, 0, 1, 2])),
        has_reward=draw_from(st.booleans()),
        claimed_before=draw_from(st.booleans()),
        unlocks=draw_from(st.sampled_from([False] * 7 + [True])),
        flaws=draw_from(st.lists(st.sampled_from(FLAWS), min_size=4, max_size=10)),
    )


def staged(plan: Plan) -> tuple[World, tuple[Any, ...]]:
    """The world of a plan and the arguments of its call."""
    world = make_world()
    world.broker.call("unlock", sender=SENDER)
    world.next_round(world.params.unlock_period_rounds)
    world.broker.call("withdraw", sender=SENDER)
    world.fund_sender(plan.deposit, plan.reserve)
    # The withdrawn unlock stays in force without money of one's own.
    if plan.deposit + plan.reserve == 0:
        world.fund_sender(0, 1)
    if plan.claimed_before:
        world.fund_sender(0, 4)
        world.earn_fee(world.broker.view("getSenderInfo", SENDER)[0][0] + 1)
        world.fund_sender(plan.deposit, 0)
    if plan.has_reward:
        world.bonding.call("reward", sender=TRANSCODER)
    if plan.unlocks:
        world.broker.call("unlock", sender=SENDER)
        world.next_round(world.params.unlock_period_rounds)
    terms = {"face_value_wei": plan.face_value, "win_prob": plan.win_prob, "recipient": plan.recipient}
    signed: list[Signed] = []
    for flaw in plan.flaws:
        key = {"key": OTHER_KEY} if flaw == "signer" else {}
        ticket = world.ticket(**terms, **key)
        if flaw == "used" and plan.recipient != STRANGER and not plan.unlocks:
            with_money = world.broker.view("getSenderInfo", SENDER)[0][0] >= plan.face_value
            if with_money and plan.win_prob == MAX_UINT256:
                world.redeem(ticket)
        signed.append(signed[-1] if flaw == "twice" and signed else ticket)
    arguments = compact_batch(signed)
    items: Any = arguments[5]
    for index, flaw in enumerate(plan.flaws):
        nonce, rand, r, vs = items[index]
        if flaw == "rand":
            items[index] = (nonce, rand + 1, r, vs)
        elif flaw == "garbage":
            items[index] = (nonce, rand, encode(["uint256"], [index]), vs)
        elif flaw == "high s":
            items[index] = (nonce, rand, r, word(MAX_S + 1 + index))
    if plan.age:
        world.next_round(plan.age)
    return world, arguments


def test_redeem_winning_tickets_compact__any_batch__has_state_and_logs_of_single_calls() -> None:
    seen: Counter[str | None] = Counter()

    @settings(max_examples=200)
    @given(plans())
    def compare(plan: Plan) -> None:
        world, arguments = staged(plan)
        seen.update(assert_same_as_singles(world, arguments))

    compare()

    assert {reason: count for reason, count in LEAST.items() if seen[reason] < count} == {}


def test_redeem_winning_tickets_compact__fees__are_those_of_single_calls_to_the_wei(world: World) -> None:
    """Shares are rounded for each ticket by itself: a sum would be rounded once."""
    world.bond(STRANGER, 333 * LPT + 1, TRANSCODER)
    world.next_round()
    signed = [world.ticket(face_value_wei=7) for _ in range(11)]

    assert assert_same_as_singles(world, compact_batch(signed)) == [None] * 11
    # 7 wei at 40 % are 2 wei for delegators and 5 for the transcoder, 11 times.
    assert world.bonding.view("getTranscoder", TRANSCODER)[8] == 55
