"""What is told of segments, on both sides, under the names that the network's dashboards know (offchain-network 7).

Those names carry no `_total`, so they are told without a type, which Prometheus takes for rates all the same.
"""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import Metric

from livepeer_client.facts import OrchestratorTotals

PREFIX: Final = "livepeer_"
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16)


class Figures:
    """Counted and set figures by name and labels, collected by a registry."""

    def __init__(self, registry: CollectorRegistry, known: Mapping[str, str]) -> None:
        self._known = dict(known)
        self._values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {name: {} for name in known}
        registry.register(self)

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count."""
        values, key = self._values[name], tuple(sorted(labels.items()))
        values[key] = values.get(key, 0) + amount

    def set(self, name: str, value: float, **labels: str) -> None:
        """Say how it is now."""
        self._values[name][tuple(sorted(labels.items()))] = value

    def value(self, name: str, **labels: str) -> float:
        """What would be told; 0 before anything was."""
        return self._values[name].get(tuple(sorted(labels.items())), 0)

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        for name, values in self._values.items():
            metric = Metric(PREFIX + name, self._known[name], "unknown")
            for labels, value in values.items():
                metric.add_sample(PREFIX + name, dict(labels), value)
            yield metric


class GatewayMetrics:
    """Figures of a gateway's segments; the methods are told what happens."""

    KNOWN: Final = {
        "orchestrator_swaps": "Orchestrators that failed on a segment, by cause",
        "transcode_retried": "Segments that took more than one orchestrator",
        "success_rate": "Share of segments that came back transcoded",
        "segment_source_emerged": "Segments pushed",
        "segment_transcoded": "Segments that came back",
        "segment_unserved": "Segments that came to nothing, by status",
        "tickets_sent": "Tickets sent, by recipient",
        "ticket_value_sent": "Expected value of the tickets sent, wei, by recipient",
        "transcoding_price": "Price last paid, wei per pixel, by orchestrator",
        "mil_pixels_processed": "Pixels paid for, in millions",
        "fast_verification_done": "Segments compared with those of a trusted orchestrator",
        "fast_verification_failed": "Comparisons that showed another picture",
        "current_sessions_total": "Streams open",
        "gateway_deposit": "Deposit, wei",
        "gateway_reserve": "Reserve, wei",
    }

    def __init__(self, registry: CollectorRegistry) -> None:
        self.figures = Figures(registry, self.KNOWN)
        self._seconds = Histogram(
            "livepeer_segment_seconds", "From submission to the checked result", buckets=_SECONDS, registry=registry
        )

    def sent(self, recipient: str, tickets: int, value: Fraction, price: Fraction) -> None:
        self.figures.add("tickets_sent", tickets, recipient=recipient)
        self.figures.add("ticket_value_sent", float(value), recipient=recipient)
        self.figures.set("transcoding_price", float(price), orchestrator=recipient)

    def swapped(self, cause: str) -> None:
        self.figures.add("orchestrator_swaps", cause=cause)

    def compared(self, *, agreed: bool | None) -> None:
        if agreed is not None:
            self.figures.add("fast_verification_done")
        if agreed is False:
            self.figures.add("fast_verification_failed")

    def done(self, *, seconds: float, pixels: int, attempts: int) -> None:
        self._seconds.observe(seconds)
        self.figures.add("mil_pixels_processed", pixels / 1_000_000)
        self.figures.add("segment_transcoded")
        if attempts > 1:
            self.figures.add("transcode_retried")

    def pushed(self, status: int) -> None:
        """A push was answered with `status`."""
        self.figures.add("segment_source_emerged")
        if status != 200:
            self.figures.add("segment_unserved", status=str(status))
        emerged, done = self.figures.value("segment_source_emerged"), self.figures.value("segment_transcoded")
        self.figures.set("success_rate", min(done / emerged, 1.0))


class OrchestratorMetrics:
    """Figures of an orchestrator's sessions and of what its store adds up to."""

    KNOWN: Final = {
        "current_sessions_total": "Sessions open",
        "max_sessions_total": "Sessions taken at the same time",
        "mil_pixels_processed": "Pixels charged, in millions",
        "tickets_recv": "Tickets received",
        "ticket_value_recv": "Expected value of the tickets received, wei",
        "winning_tickets_recv": "Winning tickets received",
        "value_redeemed": "Paid for winning tickets, wei",
        "fees_debited": "Fees charged, wei",
    }

    def __init__(self, registry: CollectorRegistry, status: Callable[[], Mapping[str, object]]) -> None:
        self.figures = Figures(registry, self.KNOWN)
        self._status = status

    def refresh(self, totals: OrchestratorTotals | None) -> None:
        """Bring all figures up to date; None where nothing is paid."""
        status, told = self._status(), self.figures.set
        told("current_sessions_total", _number(status["Sessions"]))
        told("max_sessions_total", _number(status["MaxSessions"]))
        if totals is None:
            return
        told("mil_pixels_processed", totals.pixels / 1_000_000)
        told("tickets_recv", totals.tickets_received)
        told("ticket_value_recv", float(totals.expected_value_credited))
        told("winning_tickets_recv", totals.winners)
        told("value_redeemed", totals.paid)
        told("fees_debited", float(totals.fees_debited))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) else 0.0
