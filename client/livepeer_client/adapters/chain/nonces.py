"""Which nonces of one key are given away, in this process, and for how long."""

from collections.abc import Callable
from dataclasses import dataclass, field

from livepeer_client.facts import BlockRef
from livepeer_client.types import Hash32


@dataclass(slots=True)
class Lease:
    """`ends`: seconds of the clock. `reserved`: its owner keeps what it signed, and may send it again. `sent`: what was
    broadcast; `mined`: the block in which one of those was last seen."""

    ends: float
    reserved: bool = False
    sent: set[Hash32] = field(default_factory=set)
    mined: BlockRef | None = None


class Nonces:
    """Leases of nonces, kept in memory: those of a former process are its owner's to reserve again."""

    def __init__(self, lease_s: float, sent_lease_s: float, monotonic: Callable[[], float]) -> None:
        self._lease_s = lease_s
        self._sent_lease_s = sent_lease_s
        self._monotonic = monotonic
        self._leases: dict[int, Lease] = {}

    def take(self, pending: int) -> int:
        """Lease the lowest nonce from `pending` on that nobody holds."""
        self._lapse()
        nonce = pending
        while nonce in self._leases:
            nonce += 1
        self._leases[nonce] = Lease(self._monotonic() + self._lease_s)
        return nonce

    def reserve(self, nonce: int) -> None:
        self._renew(nonce).reserved = True

    def release(self, nonce: int) -> None:
        self._leases.pop(nonce, None)

    def sent(self, nonce: int, tx_hash: Hash32) -> None:
        """The network has it now."""
        lease = self._renew(nonce)
        lease.sent.add(tx_hash)
        lease.mined = None

    def mined(self, tx_hash: Hash32, block: BlockRef) -> None:
        for lease in self._leases.values():
            if tx_hash in lease.sent:
                lease.mined = block

    def doubtful(self, pending: int) -> dict[int, Lease]:
        """What was mined once, though the node counts its nonce as free, and what nobody will send again."""
        self._lapse()
        return {
            nonce: lease
            for nonce, lease in self._leases.items()
            if nonce >= pending and lease.mined is not None and not lease.reserved
        }

    def vanished(self, nonce: int, lease: Lease, mined: BlockRef) -> None:
        """End a lease, unless something happened to it since it was looked at."""
        if self._leases.get(nonce) is lease and lease.mined == mined and not lease.reserved:
            del self._leases[nonce]

    def _renew(self, nonce: int) -> Lease:
        lease = self._leases.setdefault(nonce, Lease(0.0))
        lease.ends = self._monotonic() + self._sent_lease_s
        return lease

    def _lapse(self) -> None:
        now = self._monotonic()
        self._leases = {nonce: lease for nonce, lease in self._leases.items() if lease.ends > now}
