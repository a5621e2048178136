"""An operator's desk, whether the node runs or not: a running one is asked, else its store is opened for each act."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.control import NAME, ControlClient, NodeAbsent
from livepeer_client.adapters.pause_file import PauseFile
from livepeer_client.config import ChainConfig, KeyConfig, OrchestratorConfig, RedeemerConfig, RedemptionConfig
from livepeer_client.facts import Lane
from livepeer_client.nodes.control import PAUSE_NAME
from livepeer_client.nodes.keys import open_transactions
from livepeer_client.nodes.stores import open_tickets
from livepeer_client.ports import TransactionSigner
from livepeer_client.ports.desk import DeskState, RedeemedNow
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.redemption.desk import ServiceDesk
from livepeer_client.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class RedeemingNode:
    """What an orchestrator and a redeemer have in common. `recipient` None: the key's own address."""

    chain: ChainConfig
    key: KeyConfig
    redemption: RedemptionConfig
    data_dir: Path
    store: Path
    store_url: str | None
    recipient: Address | None

    @classmethod
    def of(cls, config: OrchestratorConfig | RedeemerConfig) -> "RedeemingNode":
        if isinstance(config, OrchestratorConfig):
            folder, url, recipient = config.orchestrator.data_dir, config.orchestrator.store_url, None
            store = folder / "orchestrator.sqlite"
        else:
            folder, url, recipient = config.redeemer.data_dir, config.redeemer.store_url, config.redeemer.recipient
            store = folder / "redeemer.sqlite"
        return cls(config.chain, config.key, config.redemption, folder, store, url, recipient)

    @property
    def pause(self) -> PauseFile:
        return PauseFile(self.data_dir / PAUSE_NAME)

    @property
    def control(self) -> ControlClient:
        return ControlClient(self.data_dir / NAME)


class NodeDesk:
    """`RedemptionDesk` of a node: its own while it runs, else one that opens store and journal for as long as an act
    takes."""

    def __init__(self, node: RedeemingNode, suite: Suite, signer: TransactionSigner) -> None:
        self._node = node
        self._suite = suite
        self._signer = signer

    async def state(self) -> DeskState:
        try:
            return await self._node.control.state()
        except NodeAbsent:
            return DeskState(None, self._node.pause.is_on())

    async def hold(self, hashes: Sequence[Hash32], note: str) -> None:
        try:
            await self._node.control.hold(hashes, note)
        except NodeAbsent:
            async with await open_tickets(self._node.store, self._node.store_url) as store:
                await store.hold(hashes, note)

    async def release(self, hashes: Sequence[Hash32]) -> None:
        try:
            await self._node.control.release(hashes)
        except NodeAbsent:
            async with await open_tickets(self._node.store, self._node.store_url) as store:
                await store.release(hashes)

    async def redeem(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        try:
            return await self._node.control.redeem(hashes)
        except NodeAbsent:
            async with self._opened() as service:
                return await ServiceDesk(service).redeem(hashes)

    async def redeem_now(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        try:
            return await self._node.control.redeem_now(hashes)
        except NodeAbsent:
            async with self._opened() as service:
                return await ServiceDesk(service).redeem_now(hashes)

    async def pause(self) -> None:
        try:
            await self._node.control.pause()
        except NodeAbsent:
            self._node.pause.set(True)

    async def resume(self) -> None:
        try:
            await self._node.control.resume()
        except NodeAbsent:
            self._node.pause.set(False)

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[RedemptionService]:
        node = self._node
        async with (
            await open_tickets(node.store, node.store_url) as store,
            open_transactions(self._suite, self._signer, node.chain, node.data_dir) as transactions,
        ):
            # What the node left behind has the lowest nonces: it is sent again, or its nonce is free.
            await transactions.step()
            service = RedemptionService(
                self._suite,
                transactions.lane(Lane.REDEMPTION),
                store,
                SystemClock(),
                node.redemption.policy,
                owner="operator",
                pause=node.pause,
            )
            try:
                yield service
            finally:
                await service.stand_down()
