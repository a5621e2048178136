"""A command's work, run to its end: errors become one line, what would help, and an exit code."""

import asyncio
import errno
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from livepeer_client.cli import EXIT_USAGE
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.amounts import format_units
from livepeer_client.codec.printing import harmless
from livepeer_client.errors import (
    ChainUnavailable,
    ConfigError,
    GasPriceTooHigh,
    InsufficientFunds,
    LivepeerError,
    ReplacementTooExpensive,
    Reverted,
    TransactionDropped,
)
from livepeer_client.types import Address

EXIT_FAILED: Final = 1
EXIT_REVERTED: Final = 3
EXIT_FUNDS: Final = 4
EXIT_UNAVAILABLE: Final = 5
EXIT_UNKNOWN: Final = 6
EXIT_INTERRUPTED: Final = 130

# What an operator can do about a refusal, by the contract's reason.
_REMEDIES: Final = {
    "current round is not initialized": "open the round: livepeer-client rounds --initialize",
    "round already initialized": "nothing to do: the round is open",
    "system is paused": "the owner has paused the protocol; wait",
    "no unlock request in progress": "ask for it first: livepeer-client unlock",
    "unlock already initiated": "wait for its round, or: livepeer-client cancel-unlock",
    "account is locked": "ask for it first: livepeer-client unlock, and withdraw in its round",
    "sender deposit and reserve are zero": "fund first: livepeer-client fund",
    "withdraw round must be before or equal to the current round": "wait: livepeer-client status shows the round",
    "amount is greater than bonded amount": "livepeer-client status shows the stake",
    "caller must be bonded": "bond first: livepeer-client bond",
    "caller must be unbonded": "a delegate is set: livepeer-client rebond LOCK without --to",
    "invalid unbonding lock ID": "livepeer-client status shows the locks",
    "insufficient fees to withdraw": "livepeer-client status shows the fees",
    "transcoder must be registered": "bond to yourself first: livepeer-client bond LPT --to self",
    "caller must be an active transcoder": "stake must be in the pool at the start of a round",
    "caller has already called reward for the current round": "nothing to do until the next round",
    "can't update transcoder params, current round is locked": "wait for the next round",
    "Governor: vote not currently active": "livepeer-client proposals shows the rounds of the vote",
}
_CUSTOM_REMEDIES: Final = {"VoteAlreadyCast": "each account votes once per proposal"}


@dataclass(frozen=True, slots=True)
class Failure:
    """What is said about an error. `remedy` is empty where nothing is known to help."""

    code: int
    kind: str
    message: str
    remedy: str

    def as_json(self) -> str:
        told = {"type": self.kind, "message": self.message, "remedy": self.remedy, "exit_code": self.code}
        return json.dumps({"error": told})


def failure_of(error: LivepeerError | OSError) -> Failure:
    code, remedy = _verdict(error)
    # What was compared, where a command knows more than the contract says.
    message = "; ".join([str(error), *getattr(error, "__notes__", [])])
    if isinstance(error, InsufficientFunds):
        message = f"the key holds {format_units(error.balance)} ETH and may need {format_units(error.required)} ETH"
    return Failure(code, type(error).__name__, message, remedy)


def _verdict(error: LivepeerError | OSError) -> tuple[int, str]:
    match error:
        case ConfigError():
            return EXIT_USAGE, ""
        case Reverted():
            custom = "" if error.custom is None else _CUSTOM_REMEDIES.get(error.custom.name, "")
            return EXIT_REVERTED, custom or _REMEDIES.get(error.reason, "")
        case InsufficientFunds():
            return EXIT_FUNDS, f"send ETH to {checksum_address(Address(error.address))}, or ask for less"
        case GasPriceTooHigh():
            return EXIT_UNAVAILABLE, "wait, or raise max_base_fee_wei in [chain] (LIVEPEER_CHAIN_MAX_BASE_FEE_WEI)"
        case ReplacementTooExpensive():
            return EXIT_UNAVAILABLE, "raise max_fee_per_gas_wei in [chain] (LIVEPEER_CHAIN_MAX_FEE_PER_GAS_WEI)"
        case ChainUnavailable():
            return EXIT_UNAVAILABLE, "see rpc_url and fallback_rpc_urls in [chain] (LIVEPEER_CHAIN_RPC_URL)"
        case TransactionDropped():
            return EXIT_UNKNOWN, "it may still be mined: look for it before sending again"
        case OSError(errno=errno.EADDRINUSE):
            return EXIT_FAILED, "another process listens there: change `listen`"
        case _:
            return EXIT_FAILED, ""


def run(start: Callable[[], Coroutine[Any, Any, None]], *, as_json: bool = False) -> None:
    """:raises SystemExit: with the code of docs/cli.md, unless all went well."""
    try:
        try:
            asyncio.run(start())
        except ExceptionGroup as group:
            # The first is the reason, the others are its consequences.
            first = group.exceptions[0]
            while isinstance(first, ExceptionGroup):
                first = first.exceptions[0]
            raise first from group
    except (LivepeerError, OSError) as error:
        # Of the second kind: a port that is taken, a folder that may not be written, both the operator's to mend.
        failure = failure_of(error)
        if as_json:
            sys.stderr.write(f"{failure.as_json()}\n")
        else:
            kind = "" if isinstance(error, ConfigError) else f"{failure.kind}: "
            remedy = f" ({failure.remedy})" if failure.remedy else ""
            # A contract, a node or a peer may have had the last word.
            sys.stderr.write(f"livepeer-client: {kind}{harmless(failure.message)}{remedy}\n")
        raise SystemExit(failure.code) from None
    except KeyboardInterrupt as stopped:
        # What was under way when it came, as far as that told.
        for note in getattr(stopped.__context__, "__notes__", ()):
            sys.stderr.write(f"livepeer-client: interrupted: {note}\n")
        raise SystemExit(EXIT_INTERRUPTED) from None
