"""When probing stops, what an answer is worth, and how long a failure counts."""

from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.codec.capability import Capability, Mismatch, MismatchKind
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    OrchestratorInfo,
    PriceInfo,
    RegisteredOrchestrator,
)
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.discovery import (
    BECAUSE,
    Offer,
    ProbePlan,
    Rejection,
    RejectReason,
    Stop,
    classify,
    refuse_unasked,
    stop_after_answer,
    stop_at_wake,
    suspend,
    suspension,
)
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Hash32, Round, Wei, WinProb

ADA, BOB = Address(b"\xaa" * 20), Address(b"\xbb" * 20)
MEMBER = RegisteredOrchestrator(ADA, "https://ada.example:8935", 10**21, True)
JOB = Capabilities(frozenset({Capability.H264, Capability.AUTH_TOKEN}))
PARAMS = TicketParams(
    ADA, Wei(10**15), WinProb(1), Hash32(b"\x01" * 32), 1, BlockNumber(40), ExpirationParams(Round(1), ZERO_HASH)
)
INFO = OrchestratorInfo(
    transcoder=MEMBER.service_uri,
    ticket_params=PARAMS,
    price_info=PriceInfo(3, 2),
    address=ADA,
    capabilities=JOB,
    auth_token=AuthToken(b"mac", "session", 0),
)


def rejected(info: OrchestratorInfo, job: Capabilities = JOB) -> Rejection:
    outcome = classify(MEMBER, info, job, 0.1)
    assert isinstance(outcome, Rejection)
    return outcome


def test_classify__complete_answer__is_an_offer_with_exact_price() -> None:
    assert classify(MEMBER, INFO, JOB, 0.25) == Offer(MEMBER, INFO, PARAMS, PriceInfo(3, 2), Fraction(3, 2), 0.25)


def test_classify__price_zero__is_an_offer() -> None:
    outcome = classify(MEMBER, replace(INFO, price_info=PriceInfo(0, 1)), JOB, 0.1)
    assert isinstance(outcome, Offer)
    assert outcome.price == 0


def test_classify__another_signing_address__is_rejected_with_both() -> None:
    rejection = rejected(replace(INFO, address=BOB))
    assert rejection.reason is RejectReason.WRONG_ADDRESS
    assert rejection.figures["answered"] == "0x" + "bb" * 20
    assert str(rejection.figures["registered"]).lower() == "0x" + "aa" * 20


def test_classify__no_address_at_all__is_rejected() -> None:
    assert rejected(replace(INFO, address=b"")).figures["answered"] == "none"


def test_classify__another_ticket_recipient__is_rejected() -> None:
    rejection = rejected(replace(INFO, ticket_params=replace(PARAMS, recipient=BOB)))
    assert rejection.reason is RejectReason.WRONG_RECIPIENT
    assert rejection.figures["recipient"] == "0x" + "bb" * 20


def test_classify__missing_capability__is_rejected_naming_it() -> None:
    job = Capabilities(JOB.bits | {Capability.HEVC_ENCODE})
    rejection = rejected(INFO, job)
    assert rejection.reason is RejectReason.INCOMPATIBLE
    assert rejection.figures["because"] == Mismatch(MismatchKind.CAPABILITY, Capability.HEVC_ENCODE)
    assert "HEVC encode" in rejection.text


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (replace(INFO, transcoder=""), RejectReason.DIRECTORY_ONLY),
        (replace(INFO, ticket_params=None), RejectReason.NO_TICKET_PARAMS),
        (replace(INFO, transcoder="https://10.0.0.1/admin?x="), RejectReason.BAD_TRANSCODER),
        (replace(INFO, transcoder="https://10.0.0.1/admin#"), RejectReason.BAD_TRANSCODER),
        (replace(INFO, transcoder="https://user@ada.example:8935"), RejectReason.BAD_TRANSCODER),
        (replace(INFO, transcoder="ada.example:8935"), RejectReason.BAD_TRANSCODER),
        (replace(INFO, auth_token=None), RejectReason.NO_AUTH_TOKEN),
        (replace(INFO, price_info=None), RejectReason.NO_PRICE),
        (replace(INFO, price_info=PriceInfo(1, 0)), RejectReason.BAD_PRICE),
        (replace(INFO, price_info=PriceInfo(-1, 1)), RejectReason.BAD_PRICE),
        (replace(INFO, price_info=PriceInfo(1, -1)), RejectReason.BAD_PRICE),
        (replace(INFO, price_info=PriceInfo(1, 2**63 - 25)), RejectReason.BAD_PRICE),
    ],
)
def test_classify__incomplete_answer__is_rejected_for_what_lacks(info: OrchestratorInfo, reason: RejectReason) -> None:
    assert rejected(info).reason is reason


def test_refuse_unasked__active_member_with_uri__is_asked() -> None:
    assert refuse_unasked(MEMBER) is None


def test_refuse_unasked__inactive_or_without_uri__is_not() -> None:
    for member, reason in (
        (replace(MEMBER, active=False), RejectReason.INACTIVE),
        (replace(MEMBER, service_uri=""), RejectReason.NO_SERVICE_URI),
    ):
        rejection = refuse_unasked(member)
        assert rejection is not None
        assert rejection.reason is reason


def test_stop_after_answer__everybody_answered__stops_whatever_they_said() -> None:
    assert stop_after_answer(ProbePlan(), good=0, answered=3, probed=3) is Stop.ALL_ANSWERED


def test_stop_after_answer__enough_good_ones__stops() -> None:
    assert stop_after_answer(ProbePlan(wanted=2), good=2, answered=2, probed=5) is Stop.ENOUGH


def test_stop_after_answer__too_few_good_ones__goes_on() -> None:
    assert stop_after_answer(ProbePlan(wanted=2), good=1, answered=4, probed=5) is None
    assert stop_after_answer(ProbePlan(), good=4, answered=4, probed=5) is None


def test_stop_at_wake__with_a_good_answer__stops_and_without_goes_on() -> None:
    assert stop_at_wake(ProbePlan(), good=1, elapsed_s=0.5) is Stop.WAKE
    assert stop_at_wake(ProbePlan(), good=0, elapsed_s=4.0) is None


def test_stop_at_wake__cutoff__stops_in_any_case() -> None:
    assert stop_at_wake(ProbePlan(), good=0, elapsed_s=6.0) is Stop.CUTOFF


def test_probe_plan__by_default__wakes_as_the_network_does() -> None:
    assert (ProbePlan().wakes_s, ProbePlan().cutoff_s) == ((0.5, 1.0, 2.0, 4.0), 6.0)


def test_probe_plan__waking_first_at__doubles_until_the_cutoff() -> None:
    plan = ProbePlan.waking_first_at(0.5, 6.0, 5.0)
    assert (plan.wakes_s, plan.cutoff_s, plan.probe_timeout_s) == ((0.5, 1.0, 2.0, 4.0), 6.0, 5.0)
    assert ProbePlan.waking_first_at(3.0, 2.0, 5.0) == ProbePlan(None, (), 2.0, 2.0)


@pytest.mark.parametrize("wakes", [(1.0, 0.5), (0.5, 0.5), (0.0, 1.0), (7.0,)])
def test_probe_plan__wakes_that_do_not_rise_to_the_cutoff__are_refused(wakes: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput):
        ProbePlan(wakes_s=wakes)


def test_suspend__until_its_time__then_not() -> None:
    suspensions = suspend({}, ADA, now_s=100, for_s=30, cause="timeout")
    held = suspension(suspensions, ADA, 129.9)
    assert held is not None
    assert held.cause == "timeout"
    assert suspension(suspensions, ADA, 130) is None
    assert suspension(suspensions, BOB, 101) is None


def test_suspend__again__counts_from_the_later_failure() -> None:
    suspensions = suspend({}, ADA, now_s=100, for_s=30, cause="first")
    suspensions = suspend(suspensions, ADA, now_s=120, for_s=30, cause="second")
    held = suspension(suspensions, ADA, 149)
    assert held is not None
    assert held.cause == "second"


def test_suspend__barred_one_fails_again__stays_barred_for_its_full_time() -> None:
    suspensions = suspend({}, ADA, now_s=0, for_s=1800, cause="fraud", barred=True)
    held = suspension(suspend(suspensions, ADA, now_s=10, for_s=30, cause="timeout"), ADA, 1000)
    assert held is not None
    assert (held.cause, held.barred) == ("fraud", True)


def test_suspend__others_that_lapsed__are_forgotten() -> None:
    suspensions = suspend({}, ADA, now_s=0, for_s=30, cause="old")
    assert set(suspend(suspensions, BOB, now_s=31, for_s=30, cause="new")) == {BOB}


def test_suspend__given_state__is_left_as_it_was() -> None:
    before = suspend({}, ADA, now_s=0, for_s=30, cause="x")
    suspend(before, BOB, now_s=1, for_s=30, cause="y")
    assert set(before) == {ADA}


def test_rejection_text__lacking_capability__reads_as_a_sentence() -> None:
    missing = Mismatch(MismatchKind.CAPABILITY, Capability.MPEGTS)
    assert str(missing) == "missing capability: MPEGTS (1)"
    text = Rejection(MEMBER, RejectReason.INCOMPATIBLE, {BECAUSE: missing}).text
    assert text == "lacks what the job needs (missing capability: MPEGTS (1))"
