"""Our own signatures: where the signer is another machine, what fails there is no orchestrator's fault."""

from livepeer_client.errors import PeerRefused, RemoteProtocolError, SignerRefused, TransportError
from livepeer_client.ports import Signer
from livepeer_client.types import Hash32, Signature


class SignerFailed(SignerRefused):
    """Our signer was not reached, refused, or answered with no signature of ours; `cause` says which."""

    def __init__(self, cause: RemoteProtocolError | TransportError) -> None:
        super().__init__(cause.status if isinstance(cause, PeerRefused) else 0, str(cause))
        self.cause = cause
        self.args = (f"our signer did not sign: {cause}",)


async def signed(signer: Signer, digest: Hash32) -> Signature:
    """Our signature over a digest.

    :raises SignerFailed: whatever a signer at the other end of a wire fails of.
    """
    try:
        return await signer.sign(digest)
    except (RemoteProtocolError, TransportError) as error:
        raise SignerFailed(error) from error
