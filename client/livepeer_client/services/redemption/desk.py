"""An operator's requests, made to the redemption service of this process."""

from collections.abc import Sequence

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.redemption import Decision
from livepeer_client.ports.desk import DeskState, RedeemedNow
from livepeer_client.services.redemption.service import RedemptionReport, RedemptionService
from livepeer_client.types import Hash32


class ServiceDesk:
    """`RedemptionDesk` of a node that runs."""

    def __init__(self, service: RedemptionService) -> None:
        self._service = service

    async def state(self) -> DeskState:
        return DeskState(self._service.owner, self._service.paused)

    async def hold(self, hashes: Sequence[Hash32], note: str) -> None:
        await self._service.hold(hashes, note)

    async def release(self, hashes: Sequence[Hash32]) -> None:
        await self._service.release(hashes)

    async def redeem(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        report = await self._service.step()
        # Where the step at this block was taken already, what it decided.
        return _told(report, report.decisions or self._service.decisions, hashes)

    async def redeem_now(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        report = await self._service.redeem_now(hashes)
        return _told(report, report.decisions, hashes)

    async def pause(self) -> None:
        await self._service.pause()

    async def resume(self) -> None:
        await self._service.resume()


def _told(report: RedemptionReport, decisions: Sequence[Decision], hashes: Sequence[Hash32]) -> RedeemedNow:
    """:raises InvalidInput: somebody else redeems."""
    if report.standby:
        raise InvalidInput("a running node redeems with this key; it has the lease")
    wanted = set(hashes)
    decided = [(each.hash, each.action.value, each.reason.value) for each in decisions if each.hash in wanted]
    return RedeemedNow(report.sent, tuple(decided))
