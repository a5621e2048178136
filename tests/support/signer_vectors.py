"""What each vector about the remote signer claims, asserted over HTTP."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from livepeer_client.codec import signer_api
from livepeer_client.codec.capability import Capability, with_capacities
from livepeer_client.codec.messages import Capabilities, ModelConstraint, OrchestratorInfo, PriceInfo
from livepeer_client.codec.signer_api import CoveredReply, PaymentCall, PaymentReply, PriceCeiling, SealedState
from livepeer_client.errors import SignerRefused
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.policy.signing import JobType, SignerConfig, max_price
from livepeer_client.services.remote_payments import RemotePaymentSession
from livepeer_client.types import Address
from tests.support.signing import STATE_KEY, Office, Reply, signer_office, webhook_that_says
from tests.support.vectors import Check, Entry, Excluded

IMAGE = int(Capability.TEXT_TO_IMAGE)
IMAGE_JOB = Capabilities(
    bits=frozenset({IMAGE}), capacities=with_capacities([IMAGE]), constraints={IMAGE: {"flux": ModelConstraint()}}
)
CEILINGS = Ceilings(Fraction(500), {(IMAGE, "flux"): Fraction(200)})


def _body(call: PaymentCall, **changes: object) -> bytes:
    found: dict[str, Any] = json.loads(signer_api.encode_payment_call(call))
    return json.dumps(found | changes).encode()


def _fixed(office: Office, price: int, **changes: Any) -> bytes:
    return _body(office.call(office.info(PriceInfo(price, 1)), job_type="fixed", **changes))


def _ceiling(price: str, currency: str = "wei", unit: str = "fixed") -> PriceCeiling:
    return PriceCeiling(price, currency, unit)


# Each request by the name of its vector.
_REQUESTS: dict[str, Callable[[Office], bytes]] = {
    "invalid JSON": lambda office: b"{",
    "missing orchestrator blob": lambda office: _body(office.call(), orchestrator=""),
    "orchestrator blob not protobuf": lambda office: _body(
        office.call(), orchestrator=base64.b64encode(b"\xff\xff").decode()
    ),
    "missing price info": lambda office: _body(office.call(office.info(None))),
    "zero price per unit": lambda office: _body(office.call(office.info(PriceInfo(0, 1)))),
    "zero pixels per unit": lambda office: _body(office.call(office.info(PriceInfo(1, 0)))),
    "missing ticket params": lambda office: _body(office.call(replace(office.info(), ticket_params=None))),
    "auth token expired": lambda office: _body(office.call(office.info(token_s=-1))),
    "ticket params expired": lambda office: _body(office.call(office.info(params=office.params(blocks=1)))),
    "type bogus": lambda office: _body(office.call(job_type="bogus")),
    "inPixels 0 without type": lambda office: _body(office.call(job_type="")),
    "inPixels 101, price 1, ev 1": lambda office: _body(
        office.call(office.info(PriceInfo(1, 1), params=office.params(1)), job_type="", units=101)
    ),
    "capabilities not protobuf": lambda office: _body(
        office.call(), capabilities=base64.b64encode(b"\xff\xff").decode()
    ),
    "price 1000, configured max 500": lambda office: _body(
        office.call(office.info(PriceInfo(1000, 1)), job_type="", units=1)
    ),
    "fixed price 10, request maxPrice 9": lambda office: _fixed(office, 10, max_price=_ceiling("9")),
    "maxPrice without type": lambda office: _body(office.call(job_type="", units=1, max_price=_ceiling("9"))),
    "maxPrice currency usd": lambda office: _fixed(office, 1, max_price=_ceiling("9", "usd")),
    "live with unit fixed": lambda office: _body(office.call(max_price=_ceiling("9"))),
    "maxPrice 0": lambda office: _fixed(office, 1, max_price=_ceiling("0")),
    "fixed price 1000, configured max 500": lambda office: _fixed(office, 1000),
    "price 300, capability max 200, global max 500": lambda office: _fixed(office, 300, capabilities=IMAGE_JOB),
}


async def check_request_errors(entry: Entry) -> None:
    async with signer_office(config=SignerConfig(ceilings=CEILINGS)) as office:
        reply = await office.post("/generate-live-payment", _REQUESTS[entry["name"]](office))
    assert reply.status == entry["status"]
    assert entry["messageContains"] in reply.message
    for name, value in entry.get("header", {}).items():
        assert reply.headers[name] == value


async def _opened(office: Office, price: int = 3, units: int = 0, ev: int = 35) -> tuple[Reply, OrchestratorInfo]:
    """A session after its first payment."""
    info = office.info(PriceInfo(price, 1), params=office.params(ev))
    job = {"job_type": "", "units": units} if units else {}
    reply = await office.pay(office.call(info, **job))  # type: ignore[arg-type]
    assert reply.status == 200
    return reply, info


async def check_state_errors(entry: Entry) -> None:
    async with signer_office() as office:
        price = 100 if entry["name"] == "price 150 with initial 100" else 3
        first, info = await _opened(office, price)
        state = first.state
        match entry["name"]:
            case "state without ManifestID":
                call = office.call(info, state=state, manifest_id="")
            case "bad state signature":
                call = office.call(info, state=SealedState(state.state, b"\x00" * 65))
            case "state not JSON":
                call = office.call(info, state=signer_api.seal(STATE_KEY, b"not JSON"))
            case "app differs":
                call = office.call(info, state=state, app="another")
            case "type differs":
                call = office.call(info, state=state, job_type="lv2v")
            case "orchestrator differs":
                call = office.call(replace(info, address=Address(b"\x09" * 20)), state=state)
            case "price 150 with initial 100":
                call = office.call(replace(info, price_info=PriceInfo(150, 1)), state=state)
            case "balance 1000, 1 pixel at 1 wei":
                # A ticket of 1,001 wei for one pixel leaves 1,000.
                first, info = await _opened(office, 1, units=1, ev=1_001)
                assert Fraction(first.fields["Balance"]) == 1_000
                cheap = replace(info, ticket_params=office.params(35))
                call = office.call(cheap, state=first.state, job_type="", units=1)
            case _:
                pytest.fail(f"unknown case {entry['name']}")
        reply = await office.pay(call)
    assert reply.status == entry["status"]
    assert entry["messageContains"] in reply.message


def check_max_price(entry: Entry) -> None:
    given = signer_api.read_ceiling(entry["maxPrice"])
    assert given is not None
    if entry["errorContains"] is None:
        assert max_price(given, JobType(entry["type"])) == Fraction(entry["result"])
        return
    with pytest.raises(SignerRefused) as refusal:
        max_price(given, JobType(entry["type"]))
    assert refusal.value.status == 400
    assert entry["errorContains"] in refusal.value.reason


async def check_webhook(entry: Entry) -> None:
    body = entry["webhookBody"]
    in_300_s = 1_700_000_300
    if isinstance(body, dict) and body.get("expiry") == "now+300":
        body = body | {"expiry": in_300_s}
    headers = {"Signer-Auth-Id": entry["requestAuthId"]} if entry["requestAuthId"] else {}
    async with signer_office(webhook=webhook_that_says(body, entry["webhookStatus"])) as office:
        call = office.call(office.info(PriceInfo(int(entry.get("price", 3)), 1)), job_type=entry.get("type", "live"))
        reply = await office.pay(call, headers)
    assert reply.status == entry["status"]
    if entry["messageContains"]:
        assert entry["messageContains"] in reply.message
    if "stateAuthExpiry" in entry:
        assert reply.fields["AuthExpiry"] == in_300_s
    if "stateAuthID" in entry:
        assert reply.fields["AuthID"] == entry["stateAuthID"]


class _ScriptedSigner:
    """A signer with prepared answers; None is a payment."""

    def __init__(self, *refusals: SignerRefused | None) -> None:
        self.answers = list(refusals)
        self.calls = 0

    async def pay(self, call: PaymentCall) -> PaymentReply | CoveredReply:
        self.calls += 1
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer
        return PaymentReply("payment", "credentials", SealedState(b"state", b"sig"))


async def check_client(entry: Entry) -> None:
    refresh_first = SignerRefused(480, "refresh session for remote signer")
    async with signer_office() as office:
        info, refreshes = office.info(), 0

    async def refresh() -> OrchestratorInfo:
        nonlocal refreshes
        refreshes += 1
        return info

    match entry["name"]:
        case "480 with callCount > 3":
            signer = _ScriptedSigner(*[refresh_first] * 9)
        case "480 then 200":
            signer = _ScriptedSigner(refresh_first, None)
        case _:
            signer = _ScriptedSigner(SignerRefused(500, "boom"))
    session = RemotePaymentSession(signer, info, refresh, manifest_id="manifest")
    if "error" in entry or "errorContains" in entry:
        with pytest.raises(SignerRefused) as refusal:
            await session.pay()
        assert entry.get("error", entry.get("errorContains")) in str(refusal.value)
    else:
        assert isinstance(await session.pay(), PaymentReply)
        assert (refreshes, signer.calls) == (entry["refreshes"], entry["signerCalls"])


CHECKS: dict[str, Check] = {
    "remote_signer_request_errors": check_request_errors,
    "remote_signer_state_errors": check_state_errors,
    "remote_signer_max_price": check_max_price,
    "remote_signer_webhook": check_webhook,
    "remote_signer_client": check_client,
}

EXCLUDED: Excluded = {
    (
        "remote_signer_request_errors",
        "missing auth token",
    ): "an orchestrator info without a token asks for a refresh, as one with an old token does",
}
