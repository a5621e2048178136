"""The TicketBroker: money of gateways, and tickets (onchain 11). Amounts in wei."""

from collections.abc import Sequence

from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import Calldata
from livepeer_client.policy import outcomes
from livepeer_client.policy.redemption import BROKER, Redeemed
from livepeer_client.policy.redemption.calls import call_of
from livepeer_client.ports import Transactor
from livepeer_client.services.calls.result import Result, make
from livepeer_client.types import Address, Wei


class Broker:
    """Calls by the key of `transactor`. Every method raises as `result.make`."""

    def __init__(self, transactor: Transactor) -> None:
        self._transactor = transactor

    async def fund_deposit(self, amount: Wei, *, dry_run: bool = False) -> Result[outcomes.Funded]:
        """Add to one's own deposit; an unlock in progress ends."""
        return await self._fund("fundDeposit", [], amount, self._transactor.address, dry_run)

    async def fund_reserve(self, amount: Wei, *, dry_run: bool = False) -> Result[outcomes.Funded]:
        """Add to one's own reserve; an unlock in progress ends."""
        return await self._fund("fundReserve", [], amount, self._transactor.address, dry_run)

    async def fund(self, deposit: Wei, reserve: Wei, *, dry_run: bool = False) -> Result[outcomes.Funded]:
        """Add to both; an unlock in progress ends."""
        args, value = [deposit, reserve], Wei(deposit + reserve)
        return await self._fund("fundDepositAndReserve", args, value, self._transactor.address, dry_run)

    async def fund_for(
        self, sender: Address, deposit: Wei, reserve: Wei, *, dry_run: bool = False
    ) -> Result[outcomes.Funded]:
        """Add to both of somebody else's; an unlock of theirs goes on."""
        args, value = [sender, deposit, reserve], Wei(deposit + reserve)
        return await self._fund("fundDepositAndReserveFor", args, value, sender, dry_run)

    async def unlock(self, *, dry_run: bool = False) -> Result[outcomes.Unlocking]:
        """Announce that deposit and reserve are wanted back."""
        return await make(self._transactor, BROKER, "unlock", [], outcomes.unlocking, dry_run=dry_run)

    async def cancel_unlock(self, *, dry_run: bool = False) -> Result[outcomes.UnlockCancelled]:
        return await make(self._transactor, BROKER, "cancelUnlock", [], outcomes.unlock_cancelled, dry_run=dry_run)

    async def withdraw(self, *, dry_run: bool = False) -> Result[outcomes.Withdrawn]:
        """Take deposit and reserve back, once the unlock period is over."""
        return await make(self._transactor, BROKER, "withdraw", [], outcomes.withdrawn, dry_run=dry_run)

    async def redeem(self, winner: WinningTicket, *, dry_run: bool = False) -> Result[tuple[Redeemed, ...]]:
        """Redeem one winner; whoever submits it, its recipient is paid."""
        return await self._redeem(Calldata.SINGLE, [winner], dry_run)

    async def redeem_batch(
        self, winners: Sequence[WinningTicket], *, dry_run: bool = False
    ) -> Result[tuple[Redeemed, ...]]:
        """Redeem several. Those that fail are left out without a word: compare the outcome with what was sent."""
        return await self._redeem(Calldata.BATCH, winners, dry_run)

    async def redeem_compact(
        self, winners: Sequence[WinningTicket], *, dry_run: bool = False
    ) -> Result[tuple[Redeemed, ...]]:
        """Redeem two or more of the same terms, of which less has to be said. As `redeem_batch` otherwise.

        :raises InvalidInput: their terms differ.
        """
        return await self._redeem(Calldata.COMPACT, winners, dry_run)

    async def _fund(
        self, function: str, args: Sequence[object], value: Wei, sender: Address, dry_run: bool
    ) -> Result[outcomes.Funded]:
        return await make(
            self._transactor,
            BROKER,
            function,
            args,
            lambda logs: outcomes.funded(logs, sender),
            value=value,
            dry_run=dry_run,
        )

    async def _redeem(
        self, kind: Calldata, winners: Sequence[WinningTicket], dry_run: bool
    ) -> Result[tuple[Redeemed, ...]]:
        function, args = call_of(kind, winners)
        return await make(self._transactor, BROKER, function, args, outcomes.redeemed, dry_run=dry_run)
