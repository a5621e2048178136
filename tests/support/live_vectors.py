"""What each vector about streaming payments claims, asserted against the library."""

import json
from fractions import Fraction

import pytest

from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.live_api import decode_challenge
from livepeer_client.codec.messages import PriceInfo
from livepeer_client.errors import InsufficientBalance
from livepeer_client.policy import streaming
from livepeer_client.policy.balance import Account, Balance, Outcome, complete, stage
from livepeer_client.policy.price import fee
from livepeer_client.policy.streaming import Meter
from livepeer_client.services.work import Refused
from tests.support.shop import GATEWAY, SERVICE_URI, Shop
from tests.support.vectors import Check, Entry, Excluded


def check_live_processor(entry: Entry) -> None:
    meter = Meter(entry["unitsPerSecond"], Fraction(0))
    if "calls" in entry:
        now, total = Fraction(0), 0
        for call in entry["calls"]:
            now += Fraction(call.strip("+s"))
            meter, units = meter.read(now, Fraction(entry["intervalMs"], 1000))
            total += units
        assert total == entry["totalProcessed"]
        return
    after, units = meter.read(Fraction(entry["elapsedMs"], 1000))
    assert units == entry["processed"]
    assert after.billed_until_s == Fraction(entry["advancedMs"], 1000)


def check_account_payment(entry: Entry) -> None:
    account = None if entry["credit"] is None else Account(Fraction(entry["credit"]), Fraction(entry["price"]))
    if entry["ok"]:
        assert streaming.require_units(account, entry["units"]) == entry["units"] * Fraction(entry["price"])
    else:
        with pytest.raises(InsufficientBalance):
            streaming.require_units(account, entry["units"])


def check_live_send_payment(entry: Entry) -> None:
    ev, due = Fraction(entry["ev"]), fee(entry["inPixels"], Fraction(entry["price"]))
    left, staged = stage(Balance(), max(due, ev), ev)
    assert staged.tickets == entry["numTickets"]
    accepted = streaming.settle_answer(streaming.Answer.ACCEPTED, renewed=False)
    assert accepted.outcome is Outcome.ANSWERED
    assert complete(left, staged, accepted.outcome, due) == Balance(Fraction(entry["balanceAfter"]))


def check_byoc_ticket_count(entry: Entry) -> None:
    assert streaming.byoc_tickets(Fraction(entry["cost"]), Fraction(entry["ticketEV"])) == entry["tickets"]


def check_byoc_balance_sync(entry: Entry) -> None:
    before = None if entry["currentBefore"] is None else Balance(Fraction(entry["currentBefore"]))
    found = streaming.sync(before, Fraction(entry["expected"]), Fraction(entry["minimum"]))
    assert found.balance == Balance(Fraction(entry["balance"]))
    assert found.difference == Fraction(entry["diff"])
    assert found.covered is entry["covered"]
    assert (found.balance.available == 0) is entry["resetToZero"]


async def check_refresh_payment(entry: Entry) -> None:
    shop = Shop()
    if entry.get("fixedPrice"):
        shop.price = Fraction(entry["fixedPrice"])
    session = await shop.session()
    body: dict[str, str] = entry.get(
        "body", {"sender": checksum_address(GATEWAY), "manifest_id": session.token.session_id}
    )
    if entry.get("fixedPrice"):
        await shop.payments.receive(session.payment(), session.token.session_id)
        shop.price = Fraction(99)
    answer = await shop.work.refresh_payment(json.dumps(body).encode())
    if entry["status"] != 200:
        assert isinstance(answer, Refused)
        assert answer.status == entry["status"]
        assert entry.get("messageContains", "") in answer.reason
        return
    assert isinstance(answer, bytes)
    challenge = decode_challenge(answer)
    assert challenge.info.price_info == PriceInfo(entry["pricePerUnit"], entry["pixelsPerUnit"])
    assert challenge.payment_url == entry["payment_url"].replace("http://orch.example", SERVICE_URI)
    # One id is session, manifest and key of the balance.
    assert challenge.info.auth_token is not None
    assert challenge.manifest_id == challenge.info.auth_token.session_id == session.token.session_id


CHECKS: dict[str, Check] = {
    "live_processor": check_live_processor,
    "account_payment": check_account_payment,
    "live_send_payment": check_live_send_payment,
    "byoc_ticket_count": check_byoc_ticket_count,
    "byoc_balance_sync": check_byoc_balance_sync,
    "refresh_payment": check_refresh_payment,
}

EXCLUDED: Excluded = {}
