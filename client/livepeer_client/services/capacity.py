"""What this node can do right now, as it advertises it: its own, what workers bring, less what is under way."""

import logging
from collections.abc import Hashable, Iterable

from livepeer_client.codec.messages import Capabilities, Hardware
from livepeer_client.policy.capacities import exhausted, in_use, total
from livepeer_client.policy.price_list import Model

_log = logging.getLogger(__name__)


class CapacityBoard:
    """The capabilities that `AdvertiseService` answers with. Not for several threads.

    :param own: what the node does by itself; its version is the whole's.
    """

    def __init__(self, own: Capabilities) -> None:
        self._own = own
        self._workers: dict[Hashable, Capabilities] = {}
        self._hardware: dict[Hashable, tuple[Hardware, ...]] = {}
        self._taken: dict[Model, int] = {}

    @property
    def capabilities(self) -> Capabilities:
        """Everything that can be served now; models in full use stay listed, with idle capacity 0."""
        return in_use(total((self._own, *self._workers.values()), version=self._own.version), self._taken)

    @property
    def hardware(self) -> tuple[Hardware, ...]:
        """What workers said they run on."""
        return tuple(each for listed in self._hardware.values() for each in listed)

    def join(self, worker: Hashable, brings: Capabilities, hardware: Iterable[Hardware] = ()) -> None:
        """A worker is there with its capacities; one that comes again replaces what it brought before."""
        self._workers[worker] = brings
        self._hardware[worker] = tuple(hardware)
        _log.info("capacity joined worker=%s bits=%d workers=%d", worker, len(brings.bits), len(self._workers))

    def leave(self, worker: Hashable) -> None:
        """It is gone; bits that only it brought are cleared. Harmless if unknown."""
        if self._workers.pop(worker, None) is not None:
            self._hardware.pop(worker, None)
            _log.info("capacity left worker=%s workers=%d", worker, len(self._workers))

    def take(self, capability: int, model: str) -> bool:
        """Reserve one job of a model; False if all of its capacity is in use or nobody offers it."""
        offered = self.capabilities.constraints.get(capability, {}).get(model)
        if offered is None or offered.capacity < 1:
            return False
        self._taken[capability, model] = self._taken.get((capability, model), 0) + 1
        return True

    def give_back(self, capability: int, model: str) -> None:
        """A job that was reserved has ended."""
        left = self._taken.get((capability, model), 0) - 1
        if left > 0:
            self._taken[capability, model] = left
        else:
            self._taken.pop((capability, model), None)

    def is_capped(self, job: Capabilities, only: int | None = None) -> bool:
        """Whether a model that `job` names, of the capability `only` if given, has no idle capacity."""
        return exhausted(self.capabilities, job, only) is not None
