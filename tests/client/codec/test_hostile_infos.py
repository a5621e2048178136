"""What a peer may send as its terms: any bytes are a value or a typed refusal, and cost bounded memory."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepeer_client.adapters.grpc_probe import MAX_ANSWER_BYTES
from livepeer_client.codec import wire
from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, mismatch, with_capacities
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    Gpu,
    Hardware,
    ModelConstraint,
    OrchestratorInfo,
    PriceInfo,
    RegisteredOrchestrator,
)
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.errors import MalformedMessage
from livepeer_client.policy.discovery import Offer, Rejection, classify
from livepeer_client.policy.nodes import further
from livepeer_client.policy.sources import listed
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Hash32, Round, Wei, WinProb

ADA = Address(b"\xaa" * 20)
MEMBERS = (RegisteredOrchestrator(ADA, "https://ada.example:8935", 1, True), listed("https://ada.example:8935", 1.0))
JOB = Capabilities(frozenset({0, 12, 35}), capacities={35: 1}, constraints={35: {"noop": ModelConstraint(warm=True)}})
BITS = DEFAULT_CAPABILITIES | {35}
INFO = wire.encode_orchestrator_info(
    OrchestratorInfo(
        transcoder="https://ada.example:8935",
        ticket_params=TicketParams(
            ADA,
            Wei(10**15),
            WinProb(MAX_WIN_PROB // 3),
            Hash32(b"\x01" * 32),
            2**200,
            BlockNumber(40),
            ExpirationParams(Round(7), Hash32(b"\x02" * 32)),
        ),
        price_info=PriceInfo(7, 1000),
        address=ADA,
        capabilities=Capabilities(
            frozenset(BITS),
            capacities=with_capacities(BITS),
            version="0.9.1",
            constraints={35: {"noop": ModelConstraint(True, 1, "1.0.0", 0)}},
        ),
        auth_token=AuthToken(b"mac", "0a0b0c0d", 1_700_000_000),
        capabilities_prices=(PriceInfo(3, 1000, 35, "noop"),),
        nodes=("https://ada2.example:8935", "https://127.0.0.1:1"),
        hardware=(Hardware("live-video-to-video", "noop", {"0": Gpu("GPU-1", "L4", 8, 9, 1, 2)}),),
    )
)
seen = {"decoded": 0, "refused": 0, "offers": 0}


def judged(data: bytes) -> None:
    """As a probe does it: decode, judge for both kinds of members, look for further nodes."""
    try:
        info = wire.decode_orchestrator_info(data)
    except MalformedMessage:
        seen["refused"] += 1
        return
    seen["decoded"] += 1
    for member in MEMBERS:
        outcome = classify(member, info, JOB, 0.1)
        assert isinstance(outcome, Offer | Rejection)
        if isinstance(outcome, Rejection):
            assert outcome.text
        else:
            seen["offers"] += 1
            assert outcome.member.address == info.address == outcome.ticket_params.recipient
            assert outcome.price >= 0
            assert mismatch(JOB, info.capabilities) is None
        assert len(further(outcome, info, seen=(), limit=3)) <= 3


@given(st.binary(max_size=300))
def test_orchestrator_info__any_bytes__are_judged_or_refused(data: bytes) -> None:
    judged(data)


@settings(max_examples=300)
@given(st.data())
def test_orchestrator_info__a_real_one_damaged__is_judged_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(INFO)
    for place in data.draw(st.lists(st.integers(0, len(INFO) - 1), max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(INFO)), st.integers(0, len(INFO)))))
    kind = data.draw(st.sampled_from(["whole", "cut", "doubled", "hole"]))
    whole = bytes(damaged)
    judged(
        {
            "whole": whole,
            "cut": whole[:end],
            "doubled": whole[:end] + whole[start:],
            "hole": whole[:start] + whole[end:],
        }[kind]
    )


def test_orchestrator_info__cut_at_every_byte__is_judged_or_refused_and_some_are_each() -> None:
    for length in range(len(INFO) + 1):
        judged(INFO[:length])
    # The tests above moved: they met all three.
    assert min(seen.values()) > 0


# --- memory -----------------------------------------------------------------------------------------

EMPTY = {
    "hardware": "3a00",
    "stores": "820200",
    "prices": "8a0200",
    "nodes": "920200",
    "capacities": "2a021a00",
    "constraints": "2a062a0412020800",
    "unknown fields": "f80700",
    "words": "2a030a0101",
}
PROGRAM = """
import resource, sys
from livepeer_client.codec import wire
from livepeer_client.errors import MalformedMessage
unit, limit = bytes.fromhex(sys.argv[1]), int(sys.argv[2])
wire.decode_orchestrator_info(b"")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    wire.decode_orchestrator_info(unit * (limit // len(unit)))
except MalformedMessage:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
BOUND_MB = 64


@pytest.mark.parametrize("what", EMPTY)
def test_decode_orchestrator_info__as_many_small_entries_as_fit__takes_bounded_memory(what: str) -> None:
    command = [sys.executable, "-c", PROGRAM, EMPTY[what], str(MAX_ANSWER_BYTES)]
    kilobytes = int(subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout)
    assert kilobytes < BOUND_MB * 1024, f"{kilobytes / 1024:.0f} MB"
