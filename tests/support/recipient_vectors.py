"""What each vector about recipients claims, asserted against the library."""

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.codec.messages import Payment, PriceInfo
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.errors import (
    MalformedMessage,
    PaymentRefused,
    QuoteRefused,
    TicketReason,
    TicketRejected,
)
from livepeer_client.policy import recipient
from livepeer_client.policy.receiving import SeenNonces, without_expired
from livepeer_client.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    BlockNumber,
    Hash32,
    Round,
    Wei,
    WinProb,
)
from tests.support.payments import (
    EXPIRATION,
    GATEWAY,
    HEAD,
    PRICE,
    SENDER_INFO,
    Recipient,
    even_odds_quote,
    make_config,
    make_payment,
    make_quote,
    make_sender_info,
    nonces_that,
    spoil,
)
from tests.support.vectors import Check, Entry, Excluded


def _reasons(text: str) -> TicketReason:
    return next(reason for reason in TicketReason if text.startswith(reason.value))


# --- recipient ------------------------------------------------------------------------------------


def check_ticket_params_quote(entry: Entry) -> None:
    if "lastInitializedL1BlockHash" in entry:
        previous = ExpirationParams(Round(entry["expectedCreationRound"]), Hash32(b"\x09" * 32))
        last = ExpirationParams(Round(entry["lastInitializedRound"]), ZERO_HASH)
        assert recipient.creation_params(last, previous) == previous
        return
    config = make_config(ev=int(entry["ev"]), redeem_gas=entry["redeemGas"], max_face_value=int(entry["maxFaceValue"]))

    def quoted() -> TicketParams:
        return make_quote(
            config=config,
            price=Fraction(entry["price"]),
            gas_price=int(entry["gasPrice"]),
            max_float=int(entry["maxFloat"]),
            last_seen_l1_block=int(entry["lastSeenL1Block"]),
        )

    if "error" in entry:
        with pytest.raises(QuoteRefused) as refusal:
            quoted()
        assert refusal.value.reason == entry["error"]
        return
    params = quoted()
    assert params.face_value == int(entry["faceValue"])
    assert params.win_prob == int(entry["winProb"])
    assert params.expiration_block == int(entry["expirationBlock"])


def check_tx_cost_multiplier(entry: Entry) -> None:
    config = make_config(ev=int(entry["ev"]), redeem_gas=entry["redeemGas"])
    gas_price = Wei(int(entry["gasPrice"] or 0))
    if "txCost" in entry:
        assert config.redeem_gas * gas_price == int(entry["txCost"])
    elif "error" in entry:
        with pytest.raises(QuoteRefused):
            recipient.tx_cost_multiplier(config, gas_price=gas_price, max_float=int(entry["maxFloat"]))
    else:
        found = recipient.tx_cost_multiplier(config, gas_price=gas_price, max_float=int(entry["maxFloat"]))
        assert found == Fraction(entry["expected"])


def check_validate_ticket(entry: Entry) -> None:
    own = make_config()
    payment = make_payment(make_quote(config=own), [1])
    params = payment.ticket_params
    assert params is not None
    match entry["name"]:
        case "null recipient":
            payment = replace(payment, ticket_params=replace(params, recipient=ZERO_ADDRESS))
        case "other recipient":
            payment = replace(payment, ticket_params=replace(params, recipient=Address(b"\x01" * 20)))
        case "null sender":
            payment = replace(payment, sender=ZERO_ADDRESS)
        case "wrong commitment":
            payment = replace(payment, ticket_params=replace(params, recipient_rand_hash=ZERO_HASH))
        case "bad signature":
            payment = spoil(payment, 0)
    rejection = Recipient(own).receive(payment).rejection
    if entry["error"] is None:
        assert rejection is None
    else:
        assert isinstance(rejection, TicketRejected)
        assert rejection.reason is _reasons(entry["error"])


_Mutation = Callable[[TicketParams, Payment], Payment]

_MUTATIONS: dict[str, _Mutation] = {
    "faceValue=0": lambda params, payment: replace(payment, ticket_params=replace(params, face_value=Wei(0))),
    "winProb=0": lambda params, payment: replace(payment, ticket_params=replace(params, win_prob=WinProb(0))),
    "paramsExpirationBlock=0": lambda params, payment: replace(
        payment, ticket_params=replace(params, expiration_block=BlockNumber(0))
    ),
    "pricePerPixel=0/1": lambda _, payment: replace(payment, expected_price=PriceInfo(0, 1)),
    "creationRound=999": lambda _, payment: replace(payment, expiration=replace(EXPIRATION, creation_round=Round(999))),
    "creationRoundBlockHash=random": lambda _, payment: replace(
        payment, expiration=replace(EXPIRATION, creation_round_block_hash=Hash32(b"\x42" * 32))
    ),
    "sigVerify=false": lambda _, payment: spoil(payment, 0),
}


def check_receive_ticket(entry: Entry) -> None:
    params, receiver = even_odds_quote(), Recipient()
    mutation = entry.get("mutation", "")
    if "maxSenderNonces" in entry:
        receiver.seen[params.recipient_rand_hash] = set(range(entry["accepted"]))
        verdict = receiver.receive(make_payment(params, [entry["maxSenderNonces"]]))
    elif mutation == "same nonce twice":
        nonces = nonces_that(params, win=True)
        receiver.receive(make_payment(params, nonces))
        verdict = receiver.receive(make_payment(params, nonces))
    elif mutation == "nonces 0,1 in any order":
        assert receiver.receive(make_payment(params, [1])).rejection is None
        verdict = receiver.receive(make_payment(params, [0]))
        entry = {**entry, "won": bool(verdict.winners)}
    elif mutation == "validateSender error":
        payment = make_payment(params, [1])
        verdict = receiver.receive(payment, sender_info=replace(SENDER_INFO, withdraw_round=Round(1)))
    else:
        nonces = nonces_that(params, win="win=true" in mutation)
        change: _Mutation = _MUTATIONS.get(mutation, lambda _, payment: payment)
        head = params.expiration_block if "lastSeenL1Block" in mutation else HEAD
        verdict = receiver.receive(change(params, make_payment(params, nonces)), last_seen_l1_block=head)
    if entry["error"] is None:
        assert verdict.rejection is None
    else:
        assert isinstance(verdict.rejection, TicketRejected)
        if mutation != "validateSender error":
            assert verdict.rejection.reason.value.startswith(entry["error"].removesuffix(" (prefix)"))
        assert verdict.rejection.fatal is entry.get("fatal", False)
    if "won" in entry:
        assert bool(verdict.winners) is entry["won"]


def _allocation(entry: Entry) -> int:
    info = make_sender_info(
        deposit=int(entry.get("deposit", 0)),
        reserve=int(entry["fundsRemaining"]),
        claimed=int(entry.get("claimedInCurrentRound", 0)),
    )
    return recipient.reserve_allocation(info, Wei(int(entry["claimed"])), entry["poolSize"])


def check_max_float(entry: Entry) -> None:
    if "expectedReserveAlloc" in entry:
        assert _allocation(entry) == int(entry["expectedReserveAlloc"])
        return
    found = recipient.max_float(
        deposit=Wei(int(entry["deposit"])), allocation=_allocation(entry), open_winners=Wei(int(entry["pending"]))
    )
    assert found == int(entry["expected"])


def check_available_funds(entry: Entry) -> None:
    found = recipient.available_funds(
        deposit=Wei(int(entry["deposit"])), allocation=_allocation(entry), open_winners=Wei(int(entry["pending"]))
    )
    assert found == int(entry["expected"])


def check_monitor_validate_sender(entry: Entry) -> None:
    rejection = (
        Recipient()
        .receive(
            make_payment(make_quote(), [1]),
            sender_info=replace(SENDER_INFO, withdraw_round=Round(entry["withdrawRound"])),
            last_initialized_round=entry["lastInitializedRound"],
        )
        .rejection
    )
    assert (rejection is None) is entry["ok"]
    if not entry["ok"]:
        assert isinstance(rejection, TicketRejected)
        assert rejection.reason is TicketReason.SENDER_UNLOCKING
        assert rejection.fatal


def check_process_payment(entry: Entry) -> None:
    params, receiver = even_odds_quote(), Recipient()
    winners, losers = nonces_that(params, win=True, count=5), nonces_that(params, win=False)
    match entry["name"].split(" ("):
        case ["no sender with ticket params"]:
            verdict = receiver.receive(replace(make_payment(params), sender=b""))
            assert isinstance(verdict.rejection, MalformedMessage)
        case ["no ticket params"]:
            assert receiver.receive(Payment(None, GATEWAY, None, (), PRICE)).rejection is None
        case ["recipient inactive", _]:
            verdict = receiver.receive(make_payment(params), active=False, last_initialized_round=10)
            assert isinstance(verdict.rejection, PaymentRefused)
            assert re.fullmatch(
                re.escape(entry["error"]).replace("<addr>", "0x[0-9a-fA-F]{40}"), verdict.rejection.reason
            )
        case ["expected price 500/0"]:
            verdict = receiver.receive(make_payment(params, price=PriceInfo(500, 0)))
            assert isinstance(verdict.rejection, MalformedMessage)
            assert verdict.rejection.detail == entry["error"]
        case ["expected price missing"]:
            verdict = receiver.receive(replace(make_payment(params), expected_price=None))
            assert isinstance(verdict.rejection, MalformedMessage)
            assert verdict.rejection.detail == entry["error"]
        case ["losing ticket is not queued"]:
            assert len(receiver.receive(make_payment(params, losers)).winners) == entry["queued"]
        case ["5 winning tickets"]:
            assert len(receiver.receive(make_payment(params, winners)).winners) == entry["queued"]
        case ["signature error then winning ticket: loop continues, error returned, winner queued"]:
            verdict = receiver.receive(spoil(make_payment(params, winners[:2]), 0))
            assert len(verdict.winners) == entry["queued"]
            assert isinstance(verdict.rejection, TicketRejected)
            assert verdict.rejection.reason.value == entry["error"]
        case ["fatal error stops loop"]:
            payment = make_payment(params, winners)
            verdict = receiver.receive(replace(payment, expected_price=PriceInfo(1, 1)))
            assert len(verdict.winners) == entry["queued"]
            assert isinstance(verdict.rejection, TicketRejected)
            assert verdict.rejection.fatal is entry["fatal"]
        case ["non-fatal error with won=true queues both winners"]:
            payment = make_payment(params, winners[:2])
            verdict = receiver.receive(payment, last_seen_l1_block=params.expiration_block)
            assert len(verdict.winners) == entry["queued"]
            assert isinstance(verdict.rejection, TicketRejected)
            assert not verdict.rejection.fatal
        case ["erroring ticket gives no credit"]:
            assert receiver.receive(spoil(make_payment(params), 0)).credited == 0
        case _:
            pytest.fail(f"unknown case {entry['name']}")


def check_nonce_cleanup(entry: Entry) -> None:
    seen = {
        Hash32(name.encode().ljust(32)): SeenNonces(BlockNumber(block), frozenset({1}))
        for name, block in entry["entries"].items()
    }
    for step in entry["steps"]:
        seen = without_expired(seen, BlockNumber(step["l1Block"]))
        assert sorted(name.decode().strip() for name in seen) == step["remaining"]


CHECKS: dict[str, Check] = {
    "ticket_params_quote": check_ticket_params_quote,
    "tx_cost_multiplier": check_tx_cost_multiplier,
    "validate_ticket": check_validate_ticket,
    "receive_ticket": check_receive_ticket,
    "max_float": check_max_float,
    "available_funds": check_available_funds,
    "monitor_validate_sender": check_monitor_validate_sender,
    "process_payment": check_process_payment,
    "nonce_cleanup": check_nonce_cleanup,
}

EXCLUDED: Excluded = {
    (
        "ticket_params_quote",
        "max float lookup error is returned unchanged",
    ): "max float is an argument; reading it fails earlier",
    ("tx_cost_multiplier", "#2"): "max float is an argument; reading it fails earlier",
    ("max_float", "#3"): "a third of the deposit keeps covering open winners; the reference drops all of it at once",
    ("max_float", "release more than pending"): "open winners are counted from the store, there is no counter to lower",
    (
        "process_payment",
        "queue failure does not fail the payment",
    ): "a winner that cannot be stored must fail the payment",
}
