"""Rules of a history, second part: tickets, tokens, parameters, roles and what nobody may do."""

from __future__ import annotations

from dataclasses import replace

from coincurve import PrivateKey

from tests.support.evm import NOBODY, OWNER
from tests.support.evm_suite import NO_COMMIT, contract_id
from tests.support.model.token import ADMIN_ROLE, BURNER_ROLE, MINTER_ROLE
from tests.support.stateful.dice import Dice
from tests.support.stateful.operations import (
    ACTORS,
    COMPACT_FAULTS,
    FAULTS,
    KEYS,
    MIGRATOR,
    SHARED_FAULTS,
    TREASURY,
    VERIFIER,
    Op,
    TicketSpec,
)
from tests.support.stateful.rules import BONDING, RULES, one, rule

__all__ = ["RULES"]

BROKER = "TicketBroker"
TOKEN = "LivepeerToken"
MOST_WEI = 2**70
"""Of one payment: within what 27 more digits leave of a word."""


# --- tickets ----------------------------------------------------------------------------------------------------------


def _payment(d: Dice, account: str) -> int:
    return d.wei(min(d.world.model.ether[account], MOST_WEI))


@rule(15)
def fund_deposit(d: Dice) -> list[Op]:
    account = d.actor()
    return one("fund_deposit", BROKER, "fundDeposit", account, value=_payment(d, account))


@rule(15)
def fund_reserve(d: Dice) -> list[Op]:
    account = d.actor()
    return one("fund_reserve", BROKER, "fundReserve", account, value=_payment(d, account))


@rule(10)
def fund_both(d: Dice) -> list[Op]:
    account, payer = d.actor(), d.actor()
    deposit, reserve = _payment(d, payer) // 2, _payment(d, payer) // 2
    value = deposit + reserve + (1 if d.chance(5) else 0)
    if d.chance(5):
        deposit, reserve = 2**256 - 1, value + 1
    if d.chance(50):
        return one("fund_both", BROKER, "fundDepositAndReserve", payer, deposit, reserve, value=value)
    args = (account, deposit, reserve)
    return one("fund_both", BROKER, "fundDepositAndReserveFor", payer, *args, value=value)


def _has_funds(d: Dice, account: str) -> bool:
    sender = d.world.model.broker.senders[account]
    return sender.deposit + sender.reserve > 0


@rule(10)
def unlock(d: Dice) -> list[Op]:
    senders = d.world.model.broker.senders
    return one(
        "unlock",
        BROKER,
        "unlock",
        d.actor_where([a for a in ACTORS if _has_funds(d, a) and not senders[a].withdraw_round]),
    )


@rule(6)
def cancel_unlock(d: Dice) -> list[Op]:
    unlocking = [a for a in ACTORS if d.world.model.broker.senders[a].withdraw_round]
    if not unlocking and d.chance(75):
        return unlock(d)
    return one("cancel_unlock", BROKER, "cancelUnlock", d.actor_where(unlocking))


@rule(15)
def withdraw(d: Dice) -> list[Op]:
    senders, now = d.world.model.broker.senders, d.world.model.rounds.current
    ripe = [a for a in ACTORS if _has_funds(d, a) and 0 < senders[a].withdraw_round <= now]
    if not ripe and d.chance(75):
        return unlock(d)
    return one("withdraw", BROKER, "withdraw", d.actor_where(ripe))


def _locked_senders(d: Dice) -> list[str]:
    senders, now = d.world.model.broker.senders, d.world.model.rounds.current
    return [a for a in ACTORS if _has_funds(d, a) and not 0 < senders[a].withdraw_round <= now]


def _ticket(d: Dice, fault: str | None = None) -> TicketSpec:
    sender, recipient = d.actor_where(_locked_senders(d)), d.actor_where(d.active())
    funds = d.world.model.broker.senders[sender]
    claimable = d.world.model.broker.claimableReserve(sender, recipient)
    face = d.wei(min(funds.deposit, MOST_WEI))
    if d.chance(35):
        face = d.pick((funds.deposit + claimable, funds.deposit + d.wei(claimable), funds.deposit + claimable + 1, 0))
    if d.chance(3):
        face = 2**256 - 1
    validity = d.world.model.broker.ticketValidityPeriod()
    age = 0 if d.chance(80) else d.number(0, min(validity, 4))
    nonce = d.number(0, 10**6) if d.chance(97) else 1
    odds = 2**256 - 1 if d.chance(96) else d.pick((0, 1, 2**255))
    terms = {"sender": sender, "recipient": recipient, "face_value": min(face, 2**256 - 1), "nonce": nonce}
    return TicketSpec(**terms, win_prob=odds, age=age, rand=d.number(0, 3), fault=fault)  # type: ignore[arg-type]


@rule(70)
def redeem(d: Dice) -> list[Op]:
    if not _locked_senders(d) and d.chance(80):
        return fund_both(d)
    return one("redeem", BROKER, "redeemWinningTicket", d.actor(), _ticket(d))


@rule(10)
def redeem_again(d: Dice) -> list[Op]:
    again = one("redeem_again", BROKER, "redeemWinningTicket", d.actor(), _ticket(d))
    return [*again, *again]


@rule(12)
def redeem_faulty(d: Dice) -> list[Op]:
    return one("redeem_faulty", BROKER, "redeemWinningTicket", d.actor(), _ticket(d, d.pick(FAULTS)))


@rule(30)
def redeem_batch(d: Dice) -> list[Op]:
    if d.chance(3):
        tickets = (_ticket(d),) * d.pick((2, 3))
        return one("batch of unequal lists", BROKER, "batchRedeemWinningTickets", d.actor(), tickets)
    faults = [fault for fault in FAULTS if not fault.startswith("too long") or d.chance(3)]
    specs = [_ticket(d, d.pick(faults) if d.chance(20) else None) for _ in range(d.number(0, 6))]
    if specs and d.chance(40):
        # Neighbours with one recipient are credited together; twice the same ticket is paid once.
        specs += [specs[0]] * d.chance(30)
        specs.sort(key=lambda spec: spec.recipient)
    return one("redeem_batch", BROKER, "batchRedeemWinningTickets", d.actor(), tuple(specs))


@rule(20)
def redeem_compact(d: Dice) -> list[Op]:
    """Tickets that share their terms."""
    terms = _ticket(d)
    count = d.number(1, 6)
    if d.chance(50):
        terms = replace(terms, face_value=terms.face_value // count)
    if d.chance(6):
        terms = replace(terms, fault=d.pick(SHARED_FAULTS))
    if d.chance(4):
        args = (terms.sender, terms.recipient, terms.face_value, terms.win_prob, d.world.model.rounds.current + 1, ())
        return one("redeem_compact", BROKER, "redeemWinningTicketsCompact", d.actor(), *args)
    specs = [replace(terms, nonce=terms.nonce + i, rand=d.number(0, 3)) for i in range(count)]
    if terms.fault is None:
        specs = [replace(each, fault=d.pick(COMPACT_FAULTS)) if d.chance(10) else each for each in specs]
    specs += [specs[0]] * d.chance(10)
    return one("redeem_compact", BROKER, "redeemWinningTicketsCompact", d.actor(), tuple(specs))


# --- token ------------------------------------------------------------------------------------------------------------


def _lpt_of(d: Dice, account: str) -> int:
    return d.lpt(d.world.model.token.balances[account])


@rule(8)
def transfer(d: Dice) -> list[Op]:
    account = d.pick((*ACTORS, OWNER, TREASURY))
    return one("transfer", TOKEN, "transfer", account, d.pick((*ACTORS, OWNER, NOBODY)), _lpt_of(d, account))


@rule(10)
def allowance(d: Dice) -> list[Op]:
    """Seldom less than all for the BondingManager, but sometimes."""
    account, spender = d.actor(), d.pick((*ACTORS, d.world.suite.bonding.address))
    function = d.pick(("approve", "increaseAllowance", "decreaseAllowance"))
    amount = d.pick((0, 2**256 - 1, 2**256 - 1, _lpt_of(d, account), 2**255))
    return one("allowance", TOKEN, function, account, spender, amount)


@rule(6)
def transfer_from(d: Dice) -> list[Op]:
    source, spender = d.actor(), d.actor()
    amount = _lpt_of(d, source)
    steps = one("allowance", TOKEN, "approve", source, spender, amount) if d.chance(75) else []
    return [*steps, Op("transfer_from", TOKEN, "transferFrom", spender, (source, d.actor(), amount))]


@rule(6)
def permit(d: Dice) -> list[Op]:
    token, owner, spender = d.world.model.token, d.actor(), d.pick((d.world.suite.bonding.address, d.actor()))
    value, deadline = 2**256 - 1, d.world.model.timestamp + d.pick((0, 10**6, -1))
    nonce = token.nonces(owner) + (1 if d.chance(10) else 0)
    digest = token.permit_digest(owner, spender, value, nonce, deadline)
    sig = PrivateKey(KEYS[owner]).sign_recoverable(digest, hasher=None)
    v = sig[64] + (27 if d.chance(90) else 0)
    return one("permit", TOKEN, "permit", d.actor(), owner, spender, value, deadline, v, sig[:32], sig[32:64])


@rule(4)
def mint_tokens(d: Dice) -> list[Op]:
    amount = d.pick((d.world.setup.unit * d.number(0, 100), 2**256 - 1, 1))
    to = d.pick((*ACTORS, NOBODY))
    return one("mint_tokens", TOKEN, "mint", d.pick((OWNER, OWNER, OWNER, d.actor())), to, amount)


@rule(4)
def burn_tokens(d: Dice) -> list[Op]:
    source = d.actor()
    amount = _lpt_of(d, source) // 8
    grant = one("role", TOKEN, "grantRole", OWNER, BURNER_ROLE, OWNER)
    if d.chance(50):
        return [*grant, Op("burn_tokens", TOKEN, "burn", OWNER, (d.number(0, 9),))]
    approve = one("allowance", TOKEN, "approve", source, OWNER, amount)
    return [*grant, *approve, Op("burn_tokens", TOKEN, "burnFrom", OWNER, (source, amount))]


@rule(5)
def role(d: Dice) -> list[Op]:
    account, which = d.actor(), d.pick((MINTER_ROLE, BURNER_ROLE, ADMIN_ROLE))
    steps = one("role", TOKEN, "grantRole", d.pick((OWNER, OWNER, account)), which, account)
    if d.chance(50):
        return [*steps, Op("role", TOKEN, "revokeRole", OWNER, (which, account))]
    return [*steps, Op("role", TOKEN, "renounceRole", account, (which, d.pick((account, account, OWNER))))]


# --- parameters and authority -----------------------------------------------------------------------------------------


def _owner(d: Dice) -> str:
    """Who may, mostly."""
    return d.world.model.controller.owner() if not d.chance(7) else d.actor()


@rule(16)
def parameter(d: Dice) -> list[Op]:
    clock, unit = d.world.model.rounds, d.world.setup.unit
    to, function, args = d.pick(
        (
            (BONDING, "setUnbondingPeriod", (d.pick((0, 1, 1, 2, 3, 2**64 - 1)),)),
            (BONDING, "setNumActiveTranscoders", (d.pick((0, 1, 2, 3, 4, 5, 65_536)),)),
            (BONDING, "setTreasuryRewardCutRate", (d.pick((0, 1, 10**26, 10**27, 10**27 + 1, d.number(0, 10**27))),)),
            (BONDING, "setTreasuryRewardCutRate", (d.number(0, 10**27),)),
            (BONDING, "setTreasuryBalanceCeiling", (d.pick((0, 1, unit * d.number(1, 1000), 2**256 - 1)),)),
            ("RoundsManager", "setRoundLength", (d.pick((0, 1, 2, d.number(2, 12), clock.roundLength() + 1)),)),
            ("RoundsManager", "setRoundLockAmount", (d.pick((0, 1, 100_000, 10**6, 10**6 + 1)),)),
            ("RoundsManager", "setLIPUpgradeRound", (d.number(0, 2), d.number(0, 3))),
            (d.world.model.minter().address, "setTargetBondingRate", (d.pick((0, 10**9, 5 * 10**8, 10**9 + 1)),)),
            (d.world.model.minter().address, "setInflationChange", (d.pick((0, 500, 10**8, 10**9, 10**9 + 1)),)),
            (BROKER, "setUnlockPeriod", (d.pick((0, 1, 2, 3, 2**48)),)),
            (BROKER, "setTicketValidityPeriod", (d.pick((0, 1, 2, 3)),)),
        )
    )
    return one("parameter", to, function, _owner(d), *args)


@rule(6)
def pause(d: Dice) -> list[Op]:
    """What is done between pause and unpause is chosen by the other rules."""
    paused = d.world.model.controller.is_paused
    return one("pause", "Controller", "unpause" if paused else "pause", _owner(d))


@rule(3)
def owner(d: Dice) -> list[Op]:
    new = d.pick((OWNER, OWNER, d.actor(), NOBODY))
    return one("owner", "Controller", "transferOwnership", _owner(d), new)


@rule(3)
def registration(d: Dice) -> list[Op]:
    """Roles that accounts may play come and go; code that is registered again is the same."""
    name, address = d.pick(
        (
            ("Treasury", TREASURY),
            ("Treasury", TREASURY),
            ("Treasury", TREASURY),
            ("Treasury", NOBODY),
            ("Verifier", VERIFIER if d.world.setup.has_verifier else NOBODY),
            ("L2Migrator", MIGRATOR if d.world.setup.has_migrator else NOBODY),
            ("BondingManager", d.world.suite.bonding.address),
        )
    )
    return one("registration", "Controller", "setContractInfo", _owner(d), contract_id(name), address, NO_COMMIT)


@rule(2)
def same_controller(d: Dice) -> list[Op]:
    name = d.pick(("Minter", "BondingManager", "TicketBroker", "RoundsManager", "BondingManagerTarget", "Nothing"))
    args = (contract_id(name), d.world.suite.controller.address)
    return one("same_controller", "Controller", "updateController", _owner(d), *args)


@rule(2)
def migrate_minter(d: Dice) -> list[Op]:
    """A new Minter takes over, as the owner should do it; sometimes a step is left out or wrong."""
    world, owner_ = d.world, d.world.model.controller.owner()
    old = world.model.minter().address
    known = [address for address in world.minters if address != old]
    wrong = d.pick((old, NOBODY, d.actor(), known[0] if known else old))
    if not world.model.controller.is_paused or d.chance(20):
        early = one("migrate_minter", old, "migrateToNewMinter", owner_, wrong)
        if not world.model.controller.is_paused:
            early.append(Op("pause", "Controller", "pause", owner_))
    else:
        early = []
    early.append(Op("migrate_minter", old, "migrateToNewMinter", owner_, (wrong,)))
    if len(world.minters) >= 3:
        return [*early[:-1], Op("pause", "Controller", "unpause", owner_)]
    new = world.next_minter()
    return [
        Op("deploy", "world", "deploy"),
        *early[:-1],
        Op("role", TOKEN, "grantRole", OWNER, (MINTER_ROLE, new)),
        Op("role", TOKEN, "grantRole", OWNER, (BURNER_ROLE, new)),
        Op("migrate_minter", old, "migrateToNewMinter", owner_, (new,)),
        Op("registration", "Controller", "setContractInfo", owner_, (contract_id("Minter"), new, NO_COMMIT)),
        Op("pause", "Controller", "unpause", owner_),
    ]


@rule(5)
def service_uri(d: Dice) -> list[Op]:
    uri = d.pick(("", "https://ann.example:8935", "ü" * d.number(0, 500), "x" * 1024, "x" * 1025))
    return one("service_uri", "ServiceRegistry", "setServiceURI", d.actor(), uri)


@rule(8)
def trespass(d: Dice) -> list[Op]:
    """Functions that only other contracts may call."""
    who, minter = d.actor(), d.pick(list(d.world.minters))
    to, function, args = d.pick(
        (
            (minter, "createReward", (1, 1)),
            (minter, "trustedTransferTokens", (who, 1)),
            (minter, "trustedBurnTokens", (1,)),
            (minter, "trustedWithdrawETH", (who, 1)),
            (minter, "depositETH", ()),
            (minter, "setCurrentRewardTokens", ()),
            (BONDING, "setCurrentRoundTotalActiveStake", ()),
            (BONDING, "updateTranscoderWithFees", (who, 1, 0)),
            (BONDING, "updateTranscoderWithFeesBatch", (who, (1, 2), 0)),
            ("BondingVotes", "checkpointBondingState", (who, 1, 1, who, 1, 0, 0)),
            ("BondingVotes", "checkpointTotalActiveStake", (1, 1)),
        )
    )
    return one("trespass", to, function, who, *args, value=1 if function == "depositETH" else None)
