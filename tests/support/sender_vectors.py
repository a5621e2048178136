"""What each vector about senders and balances claims, asserted against the library."""

import re
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.codec.ticket import ExpirationParams, TicketParams, expected_value
from livepeer_client.errors import (
    InsufficientBalance,
    ParamsRejected,
)
from livepeer_client.policy import price as prices
from livepeer_client.policy.balance import (
    Account,
    Balance,
    Outcome,
    StagedCredit,
    complete,
    credited,
    debited,
    require_balance,
    stage,
)
from livepeer_client.policy.sender import (
    SenderAccount,
    SenderLimits,
    SenderSession,
    check_account,
    check_params,
    stage_payment,
)
from livepeer_client.types import (
    MAX_WIN_PROB,
    ZERO_HASH,
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
    SENDER_INFO,
    make_params,
    make_sender_info,
)
from tests.support.vectors import Check, Entry, Excluded


def _params_worth(ev: Fraction) -> TicketParams:
    """A quote worth exactly `ev` wei: 2**256 - 1 is divisible by 5, so a fifth of it is a probability."""
    face_value = ev * 5
    assert face_value.denominator == 1
    return make_params(int(face_value), MAX_WIN_PROB // 5)


# --- sender ---------------------------------------------------------------------------------------


def _limits(entry: Entry) -> SenderLimits:
    return SenderLimits(
        Fraction(int(entry["maxEV"])), Fraction(int(entry["maxTotalEV"])), int(entry["depositMultiplier"])
    )


def _account(entry: Entry) -> SenderAccount:
    info = make_sender_info(
        deposit=int(entry["deposit"]), reserve=int(entry["reserve"]), withdraw_round=entry["withdrawRound"]
    )
    return SenderAccount(info, Round(entry["lastInitializedRound"]))


def check_sender_validate(entry: Entry) -> None:
    params = None
    if "faceValue" in entry:
        params = make_params(int(entry["faceValue"]), int(entry["winProb"]), int(entry["expirationBlock"]))

    def check() -> None:
        check_params(
            params,
            account=_account(entry),
            limits=_limits(entry),
            last_seen_l1_block=BlockNumber(int(entry["lastSeenL1Block"])),
            tickets=entry["numTickets"],
        )

    if entry["error"] is None:
        check()
        return
    with pytest.raises(ParamsRejected) as rejection:
        check()
    # The reference formats figures into its text; here they are fields.
    plain = re.sub(r"(?<!is)[ =][\d.]+", "", entry["error"])
    reason = plain.replace(" for tickets", "").replace("too low faceValue", "too low")
    assert rejection.value.reason == reason
    assert rejection.value.refresh is (entry["error"] == "TicketParams expired")


def check_sender_account_check(entry: Entry) -> None:
    if entry["error"] is None:
        check_account(_account(entry))
        return
    with pytest.raises(ParamsRejected) as rejection:
        check_account(_account(entry))
    assert rejection.value.reason == entry["error"]


def check_sender_session(entry: Entry) -> None:
    session = SenderSession.start(GATEWAY, make_params(100, 100), EXPIRATION)
    own = ExpirationParams(Round(entry.get("localRound", 5)), Hash32(b"\x08" * 32))
    match entry["name"]:
        case "expiration params from recipient used":
            assert SenderSession.start(GATEWAY, make_params(100, 100), own).expiration == EXPIRATION
        case "expiration params missing or empty -> local view":
            for quoted in (replace(EXPIRATION, creation_round=Round(0)), ExpirationParams(Round(5), ZERO_HASH)):
                params = replace(make_params(100, 100), expiration=quoted)
                assert SenderSession.start(GATEWAY, params, own).expiration == own
        case "100 concurrent batches of 2":
            nonces: list[int] = []
            for _ in range(100):
                session, tickets = session.draw(2)
                nonces.extend(ticket.sender_nonce for ticket in tickets)
            assert session.last_nonce == entry["finalNonce"]
            assert len(set(nonces)) == entry["uniqueNonces"]
        case _:
            session = replace(session, last_nonce=entry["startNonce"])
            _, tickets = session.draw(entry["size"])
            assert [ticket.sender_nonce for ticket in tickets] == entry["nonces"]


# --- balances -------------------------------------------------------------------------------------


def check_stage_update(entry: Entry) -> None:
    ev = Fraction(entry["ev"]) if entry["ev"] is not None else None
    after, staged = stage(Balance(Fraction(entry["startingBalance"])), Fraction(entry["minCredit"]), ev)
    assert staged == StagedCredit(entry["numTickets"], Fraction(entry["newCredit"]), Fraction(entry["existingCredit"]))
    assert after == Balance(Fraction(entry["balanceAfter"]))


def check_balances(entry: Entry) -> None:
    account: Account | None = None
    reserved: Fraction | None = None
    price = Fraction(1)
    for op in entry["ops"]:
        verb, _, amount = op.partition(" ")
        if verb == "credit":
            account = credited(account, Fraction(amount), price)
        elif verb == "debit":
            account, _ = debited(account or Account(Fraction(0), price), int(amount))
        else:
            left, staged = stage(Balance(account.balance if account else Fraction(0)), Fraction(0), None)
            account, reserved = Account(left.available, price), staged.existing
    assert (account.balance if account else None) == (None if entry["balance"] is None else Fraction(entry["balance"]))
    if "reserved" in entry:
        assert reserved == Fraction(entry["reserved"])


def check_new_balance_update(entry: Entry) -> None:
    ev = Fraction(entry["ev"])
    staged = stage_payment(
        SenderSession.start(GATEWAY, _params_worth(ev), EXPIRATION),
        Balance(),
        fee=Fraction(entry["minCredit"]),
        account=SenderAccount(SENDER_INFO, Round(5)),
        limits=SenderLimits(),
        last_seen_l1_block=HEAD,
    )
    assert staged.credit.new == Fraction(entry["stagedMinCredit"])  # a multiple of ev in both entries


def check_complete_balance_update(entry: Entry) -> None:
    staged = StagedCredit(0, Fraction(entry["newCredit"]), Fraction(entry["existingCredit"]))
    charged = prices.fee(sum(entry["resultPixels"]), Fraction(entry["pricePerPixel"]))
    assert complete(Balance(), staged, Outcome.ANSWERED, charged) == Balance(Fraction(entry["creditedChange"]))


def check_remote_signer_billing(entry: Entry) -> None:
    units = entry["inPixels"] if entry["type"] == "" else entry.get("billedUnits", entry.get("billedSeconds"))
    units = units if units is not None else entry["elapsedSeconds"]
    ev = Fraction(entry["ev"])
    charged = prices.fee(units, Fraction(entry.get("initialPrice", entry["price"])))
    if "fee" in entry:
        assert charged == Fraction(entry["fee"])
    before, staged = stage(Balance(Fraction(entry.get("balanceBefore", 0))), max(charged, ev), ev)
    assert staged.tickets == entry["numTickets"]
    assert complete(before, staged, Outcome.ANSWERED, charged).available == Fraction(entry["balanceAfter"])


def check_debit_fees(entry: Entry) -> None:
    start = Fraction(entry["startingBalance"] or 0)
    account, _ = debited(Account(start, Fraction(entry["price"])), entry["pixels"])
    assert account.balance == Fraction(entry["balance"])


def check_sufficient_balance(entry: Entry) -> None:
    account = None
    if "ticketFaceValue" in entry:
        credit = expected_value(Wei(int(entry["ticketFaceValue"])), WinProb(int(entry["winProb"])))
        account = credited(None, credit, Fraction(1))
    required = Fraction(entry.get("recipientEV", 1))
    if entry["sufficient"]:
        require_balance(account, required)
    else:
        with pytest.raises(InsufficientBalance):
            require_balance(account, required)


CHECKS: dict[str, Check] = {
    "sender_validate": check_sender_validate,
    "sender_account_check": check_sender_account_check,
    "sender_session": check_sender_session,
    "stage_update": check_stage_update,
    "balances": check_balances,
    "new_balance_update": check_new_balance_update,
    "complete_balance_update": check_complete_balance_update,
    "remote_signer_billing": check_remote_signer_billing,
    "debit_fees": check_debit_fees,
    "sufficient_balance": check_sufficient_balance,
}

EXCLUDED: Excluded = {
    ("sender_session", "session id"): "a session is a value here, not an entry of a table",
    ("sender_session", "unknown session"): "a session is a value here, not an entry of a table",
    (
        "balances",
        "entry untouched for longer than ttl is dropped; touched entry survives",
    ): "expiry belongs to a service",
    ("balances", "fixed price is per manifest id and starts nil"): "an account is opened with its price",
    ("sufficient_balance", "#3"): "off chain no account is asked",
}
