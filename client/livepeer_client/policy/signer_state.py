"""A signer's session state as JSON: the field names of the API, amounts exact (offchain-payments 12)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from livepeer_client.codec.messages import PriceInfo
from livepeer_client.errors import SignerRefused
from livepeer_client.policy.signing import BAD_REQUEST, JobType, SignerState


def to_json(state: SignerState) -> dict[str, Any]:
    """What webhooks see and clients carry. `LastUpdate` is for people; `BilledUntil` is the exact time."""
    price = state.initial_price
    return {
        "StateID": state.state_id,
        "PMSessionID": state.quote.hex(),
        "LastUpdate": datetime.fromtimestamp(int(state.billed_until_s), UTC).isoformat().replace("+00:00", "Z"),
        "BilledUntil": str(state.billed_until_s),
        "OrchestratorAddress": f"0x{state.orchestrator.hex()}",
        "App": state.app,
        "AuthExpiry": state.auth_expiry,
        "SenderNonce": state.last_nonce,
        "Balance": f"{state.balance.numerator}/{state.balance.denominator}",
        "InitialPricePerUnit": price.price_per_unit,
        "InitialPixelsPerUnit": price.pixels_per_unit,
        "Type": state.job_type.value,
        "SequenceNumber": state.sequence,
        "AuthID": state.auth_id,
        "Signed": str(state.signed),
        "Units": state.units,
    }


def encode(state: SignerState) -> bytes:
    return json.dumps(to_json(state), separators=(",", ":"), sort_keys=True).encode()


def decode(found: Mapping[str, Any]) -> SignerState:
    """:raises SignerRefused: 400 `invalid state`: a field is missing or of another kind."""
    try:
        return SignerState(
            state_id=str(found["StateID"]),
            sequence=int(found["SequenceNumber"]),
            orchestrator=bytes.fromhex(found["OrchestratorAddress"].removeprefix("0x")),
            app=str(found["App"]),
            job_type=JobType(found["Type"]),
            initial_price=PriceInfo(int(found["InitialPricePerUnit"]), int(found["InitialPixelsPerUnit"])),
            billed_until_s=Fraction(found["BilledUntil"]),
            balance=Fraction(found["Balance"]),
            signed=Fraction(found["Signed"]),
            units=int(found["Units"]),
            quote=bytes.fromhex(found["PMSessionID"]),
            last_nonce=int(found["SenderNonce"]),
            auth_expiry=int(found["AuthExpiry"]),
            auth_id=str(found["AuthID"]),
        )
    except (KeyError, ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise SignerRefused(BAD_REQUEST, "invalid state") from error
