"""What is told of segments, under the names that dashboards know."""

from fractions import Fraction

from prometheus_client import CollectorRegistry, generate_latest

from livepeer_client.adapters.metrics.work import GatewayMetrics, OrchestratorMetrics
from livepeer_client.facts import OrchestratorTotals
from livepeer_client.types import Wei


def told(registry: CollectorRegistry) -> dict[str, float]:
    """Every sample by its name with labels, as Prometheus would read them."""
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def test_gateway__a_stream_with_a_swap__is_told_under_the_networks_names() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    metrics.sent("0xada", 3, Fraction(30), Fraction(1, 2))
    metrics.swapped("timeout")
    metrics.sent("0xbob", 2, Fraction(20), Fraction(1))
    metrics.done(seconds=1.5, pixels=2_500_000, attempts=2)
    metrics.compared(agreed=True)
    metrics.compared(agreed=False)
    metrics.compared(agreed=None)
    metrics.pushed(200)
    metrics.pushed(422)
    found = told(registry)
    assert found['livepeer_orchestrator_swaps{cause="timeout"}'] == 1
    assert found['livepeer_tickets_sent{recipient="0xada"}'] == 3
    assert found['livepeer_ticket_value_sent{recipient="0xbob"}'] == 20
    assert found['livepeer_transcoding_price{orchestrator="0xada"}'] == 0.5
    assert found["livepeer_mil_pixels_processed"] == 2.5
    assert found["livepeer_transcode_retried"] == 1
    assert (found["livepeer_fast_verification_done"], found["livepeer_fast_verification_failed"]) == (2, 1)
    assert found["livepeer_success_rate"] == 0.5
    assert found['livepeer_segment_unserved{status="422"}'] == 1
    assert found["livepeer_segment_seconds_count"] == 1


def test_orchestrator__refreshed__tells_what_the_store_adds_up_to() -> None:
    registry = CollectorRegistry()
    metrics = OrchestratorMetrics(registry, lambda: {"Sessions": 2, "MaxSessions": 10})
    totals = OrchestratorTotals(
        payments=4,
        tickets_received=40,
        expected_value_credited=Fraction(400),
        segments=4,
        pixels=3_000_000,
        fees_debited=Fraction(7, 2),
        winners=1,
        winners_face_value=Wei(100),
        paid=Wei(90),
    )
    metrics.refresh(totals)
    assert told(registry) == {
        "livepeer_current_sessions_total": 2,
        "livepeer_max_sessions_total": 10,
        "livepeer_mil_pixels_processed": 3,
        "livepeer_tickets_recv": 40,
        "livepeer_ticket_value_recv": 400,
        "livepeer_winning_tickets_recv": 1,
        "livepeer_value_redeemed": 90,
        "livepeer_fees_debited": 3.5,
    }
