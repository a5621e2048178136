"""Whether gateways can find an orchestrator: what the contracts say of it, against what it says of itself."""

from dataclasses import dataclass
from enum import Enum

from livepeer_client.codec.amounts import format_units
from livepeer_client.facts import OrchestratorState


class Obstacle(Enum):
    """Why nobody comes; values are for people."""

    NOT_REGISTERED = "it is not registered as a transcoder"
    NOT_ACTIVE = "it is registered, but not active in this round"
    NO_URI = "it has published no service URI"
    OTHER_URI = "it has published another service URI"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One obstacle, with the figures compared and the command that mends it."""

    obstacle: Obstacle
    figures: str
    remedy: str

    def __str__(self) -> str:
        figures = f" ({self.figures})" if self.figures else ""
        return f"{self.obstacle.value}{figures}: {self.remedy}"


def registration_troubles(state: OrchestratorState, published: str, own: str) -> tuple[Trouble, ...]:
    """All that keeps gateways from an orchestrator whose settings say `own`. Trailing slashes do not matter."""
    found = []
    if not state.registered:
        remedy = "livepeer-client bond LPT --to self, and livepeer-client set-rates"
        found.append(Trouble(Obstacle.NOT_REGISTERED, f"stake {format_units(state.stake)} LPT", remedy))
    elif not state.active:
        remedy = (
            "wait for the next round; if it is still not active then, others have more stake, so add to yours: "
            "livepeer-client bond LPT --to self"
        )
        found.append(Trouble(Obstacle.NOT_ACTIVE, f"stake {format_units(state.stake)} LPT", remedy))
    if published.rstrip("/") != own.rstrip("/"):
        obstacle = Obstacle.OTHER_URI if published else Obstacle.NO_URI
        figures = f"published {published}, in the settings {own}" if published else f"in the settings {own}"
        found.append(Trouble(obstacle, figures, f"livepeer-client set-uri {own}"))
    return tuple(found)
