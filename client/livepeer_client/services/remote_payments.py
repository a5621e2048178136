"""Pay for one live job through a remote signer: carry its state, refresh when it asks to (offchain-payments 12)."""

from collections.abc import Awaitable, Callable
from typing import Final

from livepeer_client.codec.messages import Capabilities, OrchestratorInfo
from livepeer_client.codec.signer_api import CoveredReply, PaymentCall, PaymentReply, PriceCeiling, SealedState
from livepeer_client.errors import SignerRefused
from livepeer_client.policy.signing import REFRESH, JobType
from livepeer_client.ports import PaymentSigner

MAX_REFRESHES: Final = 3
"""In a row; a signer that still wants another orchestrator info will not sign for this one."""

Refresh = Callable[[], Awaitable[OrchestratorInfo]]


class RemotePaymentSession:
    """Payments of one job, one after the other. `info` is the orchestrator's newest; `refresh` asks it for another."""

    def __init__(
        self,
        signer: PaymentSigner,
        info: OrchestratorInfo,
        refresh: Refresh,
        *,
        manifest_id: str,
        app: str = "",
        job_type: JobType = JobType.NONE,
        max_price: PriceCeiling | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.info = info
        self._signer = signer
        self._refresh = refresh
        self._manifest_id = manifest_id
        self._app = app
        self._job_type = job_type
        self._max_price = max_price
        self._capabilities = capabilities
        self._state: SealedState | None = None
        self._unanswered: PaymentCall | None = None

    async def pay(self, units: int = 0) -> PaymentReply | CoveredReply:
        """The next payment; `units` for a job of no type. A `CoveredReply` says when to ask again.

        After a call that was not answered, the same call is made again whatever is asked for now: the signer may have
        signed for it, and gives the same answer again.

        :raises SignerRefused: also `too many consecutive session refreshes`.
        :raises PeerTimeout, PeerUnreachable, MalformedMessage: try again.
        """
        for _ in range(MAX_REFRESHES + 1):
            call = self._unanswered or self._call(units)
            self._unanswered = call
            try:
                reply = await self._signer.pay(call)
            except SignerRefused as refusal:
                self._unanswered = None
                if refusal.status != REFRESH:
                    raise
                self.info = await self._refresh()
                continue
            self._unanswered = None
            self._state = reply.state
            return reply
        raise SignerRefused(REFRESH, "too many consecutive session refreshes")

    def _call(self, units: int) -> PaymentCall:
        return PaymentCall(
            state=self._state,
            info=self.info,
            manifest_id=self._manifest_id,
            app=self._app,
            in_pixels=units,
            job_type=self._job_type.value,
            max_price=self._max_price,
            capabilities=self._capabilities,
        )

    def adopt(self, info: OrchestratorInfo | None) -> None:
        """Use the terms that came with the orchestrator's answer to a payment, if any did."""
        if info is not None and info.ticket_params is not None and info.auth_token is not None:
            self.info = info
