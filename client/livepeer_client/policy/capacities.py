"""What a node can do in all: its own and what its workers bring, which shrinks again when they leave
(offchain-network 2.2).

The sum is formed anew from the parts each time, so nothing is left of a worker that is gone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from livepeer_client.codec.capability import Mismatch, MismatchKind, oldest_version
from livepeer_client.codec.messages import Capabilities, ModelConstraint
from livepeer_client.policy.price_list import Model


def total(parts: Iterable[Capabilities], *, version: str = "") -> Capabilities:
    """The sum of `parts`. Capacities add up; a bit is there exactly if its capacity is above 0.

    A model is warm if it is anywhere; its runner version is the oldest, which all of them meet. The mandatories of
    any part are those of the whole.
    """
    capacities: dict[int, int] = {}
    mandatories: set[int] = set()
    models: dict[int, dict[str, ModelConstraint]] = {}
    for part in parts:
        mandatories |= part.mandatories
        # A part that states no capacities has one of each (offchain-network 2.2).
        for number in part.bits | set(part.capacities):
            count = part.capacities.get(number, 0 if part.capacities else 1)
            if count:
                capacities[number] = capacities.get(number, 0) + count
        for number, offered in part.constraints.items():
            known = models.setdefault(number, {})
            for model, constraint in offered.items():
                known[model] = _sum(known[model], constraint) if model in known else constraint
    bits = frozenset(capacities)
    return Capabilities(
        bits=bits,
        mandatories=frozenset(mandatories) & bits,
        capacities=dict(sorted(capacities.items())),
        version=version,
        constraints={number: offered for number, offered in models.items() if number in bits},
    )


def _sum(left: ModelConstraint, right: ModelConstraint) -> ModelConstraint:
    return ModelConstraint(
        warm=left.warm or right.warm,
        capacity=left.capacity + right.capacity,
        runner_version=oldest_version(left.runner_version, right.runner_version),
        capacity_in_use=left.capacity_in_use + right.capacity_in_use,
    )


def in_use(capabilities: Capabilities, taken: Mapping[Model, int]) -> Capabilities:
    """The same with `taken` jobs under way: idle capacity falls, and what is in use is told."""
    constraints = {
        number: {
            model: replace(
                each,
                capacity=max(0, each.capacity - taken.get((number, model), 0)),
                capacity_in_use=each.capacity_in_use + taken.get((number, model), 0),
            )
            for model, each in offered.items()
        }
        for number, offered in capabilities.constraints.items()
    }
    return replace(capabilities, constraints=constraints)


def exhausted(capabilities: Capabilities, job: Capabilities, only: int | None = None) -> Mismatch | None:
    """The first model of `job` that has no idle capacity left, of the capability `only` if given."""
    for number, models in sorted(job.constraints.items()):
        if only is not None and number != only:
            continue
        for model in sorted(models):
            offered = capabilities.constraints.get(number, {}).get(model)
            if offered is not None and offered.capacity < 1:
                return Mismatch(MismatchKind.CAPACITY, number, model, "1", f"0 of {offered.capacity_in_use}")
    return None
