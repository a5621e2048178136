"""What an operator's board says, from facts alone."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.gateway_api import Out, Role, Use
from livepeer_client.facts import TicketState
from livepeer_client.policy.board import (
    DECISIONS,
    Market,
    Tone,
    break_even,
    changes,
    gas_lines,
    gas_view,
    peer_rows,
    round_lines,
    winner_lines,
    winner_rows,
)
from livepeer_client.policy.board.market import with_knowledge
from livepeer_client.policy.board.rows import capability_words
from livepeer_client.policy.board.words import eth, gwei, span
from livepeer_client.policy.redemption import Reason, explain, plan
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei
from tests.support.board import ETH, GWEI, KNOWN, POLICY, look, scenario, stored, story
from tests.support.redemption import ROUND, START, make_facts, make_round

FACTS = scenario()


def text(lines: object) -> dict[str, tuple[str, Tone]]:
    return {line.label: (line.text, line.tone) for line in lines}  # type: ignore[attr-defined]


# --- winners --------------------------------------------------------------------------------------


def test_winner_rows__of_winners_that_wait_for_different_things__say_what_for() -> None:
    assert [row.decision for row in winner_rows(FACTS)] == [
        "sent",
        "forced: expiring",
        "held by you",
        "too early",
        "refused for now",
        "wait for funds",
        "wait for gas",
        "wait for gas",
        "wait for gas",
    ]


def test_winner_row__waiting_for_gas__has_the_price_now_and_the_price_it_waits_for() -> None:
    row = winner_rows(FACTS)[6]
    assert row.value == "0.02 ETH"
    assert row.age == "45 min"
    assert row.deadline == "46 blocks, 9 min"
    assert row.why.endswith("12 gwei, waits for 7.8 gwei")


def test_winner_row__past_its_deadline__says_how_long_it_still_can_be_redeemed() -> None:
    assert winner_rows(FACTS)[1].deadline == "passed; lost in 6"


def test_winner_row__on_hold__shows_the_note() -> None:
    row = winner_rows(FACTS)[2]
    assert (row.held, row.why) == (True, "the operator holds it back: asking the sender")


def test_winner_row__that_goes_now_with_time_left__is_batch_now() -> None:
    facts = make_facts(block=START + 10)
    assert [
        row.decision for row in winner_rows(look([stored(1, ETH // 100, 60), stored(2, ETH // 100, 60)], facts))
    ] == ["batch now"] * 2


def test_winner_rows__while_the_operator_has_paused__wait_for_him() -> None:
    facts = look([stored(1, ETH // 100, 60), stored(2, ETH // 100, 60)], make_facts(block=START + 10), paused=True)
    assert {row.decision for row in winner_rows(facts)} == {"paused by you"}
    assert text(winner_lines(facts))["redeemer"] == ("paused by you", Tone.ALERT)


def test_decisions__for_every_reason_of_the_planner__have_words() -> None:
    assert set(DECISIONS) == set(Reason)


def test_winner_lines__without_a_node__say_that_nobody_redeems() -> None:
    assert text(winner_lines(replace(FACTS, node=None)))["redeemer"] == ("no node runs here", Tone.WAIT)


def test_winner_lines__of_open_winners__add_up_what_waits_and_what_is_sent() -> None:
    lines = text(winner_lines(FACTS))
    assert lines["waiting"][0] == "8, 3.07 ETH; oldest 2 h 01 min"
    assert lines["on the way"][0] == "1, 0.025 ETH"


@pytest.mark.parametrize(
    ("state", "line"),
    [(TicketState.SENT, "  sent      in 0x" + "aa" * 32), (TicketState.PAID, "  paid      0 ETH by 0x" + "aa" * 32)],
)
def test_explain__of_a_ticket_with_a_transaction__says_paid_only_once_it_is(state: TicketState, line: str) -> None:
    ticket = replace(stored(1, ETH, 60), state=state, tx_hash=Hash32(b"\xaa" * 32))
    assert line in str(explain(ticket, None, make_facts(block=START + 10), POLICY)).splitlines()


# --- gas ------------------------------------------------------------------------------------------


@given(
    values=st.lists(st.integers(1, 10**17), min_size=1, max_size=20),
    gas=st.integers(POLICY.single_extra_gas, 400_000),
    price=st.integers(1, 10**13),
)
def test_break_even__of_a_batch__is_the_price_up_to_which_it_costs_no_more_than_it_brings(
    values: list[int], gas: int, price: int
) -> None:
    tickets = [stored(at, value, 60) for at, value in enumerate(values, 1)]
    facts = make_facts(block=START + 10, gas_price=price, gas={ticket.hash: gas for ticket in tickets})
    decisions = {each.hash: each for each in plan(tickets, facts, POLICY).decisions}
    told = [explain(ticket, decisions[ticket.hash], facts, POLICY) for ticket in tickets]
    bears = break_even(told, POLICY)
    assert bears is not None
    brought = sum(values)
    # Independently: one transaction, once the overhead, each ticket what it adds.
    own = gas - POLICY.single_extra_gas
    used = gas if len(values) == 1 else POLICY.overhead_gas + own * len(values)
    assert bears * used <= brought < (bears + 1) * used


def test_break_even__before_any_simulation__is_unknown() -> None:
    facts = make_facts(block=START + 10)
    ticket = stored(1, ETH, 60)
    (decision,) = plan([ticket], facts, POLICY).decisions
    assert break_even([explain(ticket, decision, facts, POLICY)], POLICY) is None
    assert text(gas_lines(look([ticket], facts)))[""][0] == "not simulated yet"


def test_gas_lines__of_forced_and_waiting_winners__tell_both_prices_apart() -> None:
    view = gas_view(FACTS)
    assert view.now is not None
    assert view.waiting is not None
    assert (view.now.tickets, view.waiting.tickets) == (1, 3)
    assert view.waiting.waits_for == 78 * GWEI // 10
    assert view.pays
    lines = text(gas_lines(FACTS))
    assert lines["gas now"][0] == "12 gwei; 91% of the day was cheaper"
    assert lines["ceiling"] == ("60 gwei", Tone.PLAIN)


def test_gas_lines__above_the_ceiling__mark_it() -> None:
    tickets = [stored(1, ETH // 100, 60), stored(2, ETH // 100, 60)]
    gas = {ticket.hash: 150_000 for ticket in tickets}
    facts = look(tickets, make_facts(block=START + 30, gas_price=70 * GWEI, gas=gas))
    assert text(gas_lines(facts))["ceiling"] == ("60 gwei", Tone.ALERT)
    assert [row.why for row in winner_rows(facts)] == [
        "the gas price exceeds the ceiling: 70 gwei, ceiling 60 gwei"
    ] * 2


# --- round ----------------------------------------------------------------------------------------


def test_round_lines__in_an_open_round__tell_progress_and_the_reward() -> None:
    lines = text(round_lines(FACTS))
    assert lines[f"round {ROUND}"][0] == "block 44 of 50, 1 min left"
    assert lines["opened"] == ("yes", Tone.GOOD)
    assert lines["reward"] == ("called", Tone.GOOD)
    assert lines["last block"][0] == f"{START + 44}, 3 s ago; blocks take 12.1 s"


def test_round_and_deadlines__on_a_chain_with_quick_blocks__are_told_in_its_own_time() -> None:
    quick = replace(FACTS, block_s=Fraction(1, 2))
    lines = text(round_lines(quick))
    assert lines[f"round {ROUND}"][0] == "block 44 of 50, 3 s left"
    assert lines["last block"][0] == f"{START + 44}, 3 s ago; blocks take 0.5 s"
    shown = [row.deadline for row in winner_rows(FACTS)]
    blocks = [int(text.split()[0]) for text in shown if " blocks, " in text]
    assert blocks
    assert [row.deadline for row in winner_rows(quick) if " blocks, " in row.deadline] == [
        f"{count} blocks, {span(count / 2)}" for count in blocks
    ]


@pytest.mark.parametrize(
    ("changes_", "opened", "expected"),
    [
        ({"last_reward_round": Round(ROUND - 1)}, True, ("not called; last in round 99", Tone.ALERT)),
        ({"last_reward_round": Round(ROUND - 1)}, False, ("once the round is open", Tone.WAIT)),
        ({"active": False}, True, ("not in the active set", Tone.WAIT)),
        ({"registered": False, "active": False}, True, ("not registered", Tone.ALERT)),
    ],
)
def test_round_lines__where_no_reward_was_called__say_why(
    changes_: dict[str, object], opened: bool, expected: tuple[str, Tone]
) -> None:
    facts = replace(FACTS, me=replace(FACTS.me, **changes_), round=make_round(ROUND, initialized=opened))
    assert text(round_lines(facts))["reward"] == expected


# --- orchestrators --------------------------------------------------------------------------------


def test_peer_rows__of_a_market__put_the_usable_first_and_mark_the_suspended() -> None:
    rows = peer_rows(FACTS.market.peers)
    assert [row.cells[0].split("//")[1].split(".")[0] for row in rows] == ["ana", "ben", "cleo", "dora", "emil"]
    assert [row.tone for row in rows] == [Tone.PLAIN, Tone.PLAIN, Tone.ALERT, Tone.WAIT, Tone.WAIT]
    assert rows[1].cells[5:] == ("usable", "")
    assert rows[0].cells == (
        *("https://ana.example:8935", "1.2 wei/px", "131 ms", "184,207 LPT", "default", "usable"),
        "works for match-day; latency score 0.41",
    )
    assert rows[3].cells[4] == "default, no mpegts"


def test_with_knowledge__of_a_running_gateway__tells_its_suspensions_with_end_and_cause() -> None:
    (cleo,) = (peer for peer in FACTS.market.peers if peer.uri == "https://cleo.example:8935")
    assert (cleo.verdict, cleo.usable, cleo.suspended) == ("suspended", False, True)
    assert cleo.reason == "until 16:04:00 UTC: no answer within 20 s"
    assert FACTS.market.source == "asked 5, everybody answered; its gateway knows 2, 1 suspended"


def test_with_knowledge__of_whom_only_the_gateway_has_met__is_shown_without_a_stake() -> None:
    out = Out(1e300, 5.0, "gave back nothing", barred=True)
    uses = tuple(Use("transcoding", name, Role.STANDBY) for name in ("a", "b", "c"))
    stranger = replace(KNOWN[1], address=Address(b"\x77" * 20), uri="https://else.example", suspended=out, uses=uses)
    market = with_knowledge(Market((), "asked nobody"), [stranger])
    assert [row.cells for row in peer_rows(market.peers)] == [
        ("https://else.example", "0.9 wei/px", "150 ms", "", "", "barred", "until 1e+300 s: gave back nothing")
    ]
    free = with_knowledge(Market((), ""), [replace(stranger, suspended=None)]).peers[0]
    assert (free.verdict, free.reason, free.usable) == ("met earlier", "stands by for a, b and 1 more", True)


def test_capability_words__of_ids_nobody_knows__keep_the_numbers() -> None:
    assert capability_words(frozenset()) == "none stated"
    assert capability_words(None) == ""
    assert capability_words(FACTS.market.peers[0].capabilities | {9_999}) == "default, 9999"  # type: ignore[operator]


# --- events ---------------------------------------------------------------------------------------


def test_changes__between_two_looks__are_what_an_operator_would_want_to_know() -> None:
    before, after = story()
    assert [event.text for event in changes(None, before)] == ["watching; 9 open winners"]
    texts = [event.text for event in changes(before, after)]
    assert "reward was called for round 100" in texts
    assert any(each.endswith("-> forced: expiring") for each in texts)
    assert any(each.endswith(": paid, 0.01 ETH") for each in texts)
    assert changes(after, after) == ()


def test_changes__when_a_ticket_is_lost__are_red_and_say_why() -> None:
    before, after = story()
    (gone,) = [each for each in after.tickets.values() if each.state is TicketState.PAID]
    lost = replace(gone, state=TicketState.EXPIRED, paid=Wei(0), reason="its validity period is over")
    events = changes(before, replace(after, tickets={**after.tickets, lost.hash: lost}))
    (event,) = [each for each in events if "expired" in each.text]
    assert event.tone is Tone.ALERT
    assert event.text.endswith("(its validity period is over)")


def test_changes__of_rounds_reorgs_and_switches__are_told() -> None:
    after = replace(
        FACTS,
        round=replace(make_round(ROUND + 1)),
        head=replace(FACTS.head, number=BlockNumber(FACTS.head.number - 3)),
        paused=True,
        node=None,
        me=replace(FACTS.me, active=False),
    )
    assert [event.text for event in changes(FACTS, after)] == [
        f"round {ROUND + 1} began",
        f"round {ROUND + 1} was opened",
        "left the active set",
        "the chain went back 3 blocks",
        "redemption is paused",
        "the node is gone",
    ]


def test_changes__when_gas_passes_what_the_batch_bears__say_both_prices() -> None:
    tickets = [stored(1, ETH // 1000, 60), stored(2, ETH // 1000, 60)]
    gas = {ticket.hash: 150_000 for ticket in tickets}
    cheap, dear = (look(tickets, make_facts(block=START + 39, gas_price=price * GWEI, gas=gas)) for price in (2, 11))
    told = cheap.told
    (event,) = changes(cheap, replace(dear, told=told))
    assert event.text.startswith("the next batch does not pay any more: gas 11 gwei, pays up to ")
    (event,) = changes(replace(dear, told=told), cheap)
    assert event.text.startswith("the next batch pays again")


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wei", "expected"),
    [(0, "0 ETH"), (1, "0.000000000000000001 ETH"), (ETH, "1 ETH"), (19999 * ETH // 10000, "1.9999 ETH"),
     (199_999 * ETH // 100_000, "1.9999 ETH"), (123_456_789 * ETH // 1000, "123,456 ETH"),
     (10**30 - 1, "999,999,999,999 ETH")],
)  # fmt: skip
def test_eth__in_few_digits__is_never_more_than_there_is(wei: int, expected: str) -> None:
    assert eth(wei) == expected


@given(st.integers(0, 10**30))
def test_eth__of_any_amount__loses_less_than_a_ten_thousandth(wei: int) -> None:
    said = Fraction(eth(wei).removesuffix(" ETH").replace(",", "")) * ETH
    assert said <= wei
    assert wei - said <= Fraction(wei, 10_000)


def test_gwei_and_span__of_usual_figures__are_short() -> None:
    assert gwei(1_234_567_890) == "1.2345 gwei"
    assert [span(s) for s in (0, 59.9, 60, 3_600, 90_000)] == ["0 s", "59 s", "1 min", "1 h 00 min", "1 d 1 h"]
