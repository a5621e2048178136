"""`ports.Transcoder` by remote transcoders, and by the one here where there is no other (offchain-network 4.4)."""

import logging
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Final

from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, job_capabilities, with_capacities
from livepeer_client.codec.messages import Capabilities, SegmentCredentials
from livepeer_client.codec.worker_api import SegmentTask, TranscoderJoins, session_over
from livepeer_client.errors import MediaError, PeerRefused, PeerTimeout
from livepeer_client.facts import Rendition
from livepeer_client.policy.results import NON_RETRYABLE
from livepeer_client.policy.workers import NoWorker, is_plausible
from livepeer_client.ports import Transcoder
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.workers import WorkerPool, by_session

MIN_TASK_S: Final = 8.0
TASK_S_PER_S: Final = 4
"""How long a task may take, per second of video, and at least."""
TOO_LONG: Final = "Remote transcoder took too long"
_NAME_BYTES: Final = 16

_log = logging.getLogger(__name__)


class RemoteTranscoders:
    """Transcoders that have joined this orchestrator.

    :param service_uri: where they fetch segments from.
    :param here: transcodes what no remote one can take; None to refuse it then.
    """

    def __init__(
        self,
        service_uri: str,
        *,
        here: Transcoder | None = None,
        board: CapacityBoard | None = None,
        min_task_s: float = MIN_TASK_S,
    ) -> None:
        self._base = f"{service_uri.rstrip('/')}/segments"
        self._uri = service_uri
        self._here = here
        self._min_task_s = min_task_s
        self._sources: dict[str, bytes] = {}
        self.pool: WorkerPool[SegmentTask, Sequence[Rendition]] = WorkerPool(by_session, board)

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        """See `ports.Transcoder.transcode`. A transcoder that is lost is replaced; one that takes too long is not.

        :raises MediaError: also with the texts for nobody there, nobody fit, and too long.
        """
        if not len(self.pool) and self._here is not None:
            return await self._here.transcode(segment, credentials)
        name = secrets.token_hex(_NAME_BYTES)
        task = SegmentTask(f"{self._base}/{name}", credentials, 0, self._uri)
        needs = credentials.capabilities or job_capabilities(credentials.profiles)
        self._sources[name] = segment
        try:
            renditions = await self.pool.run(
                # The version is the gateway's business with us.
                replace(needs, min_version=""),
                lambda task_id: replace(task, task_id=task_id),
                context=credentials,
                within_s=max(self._min_task_s, TASK_S_PER_S * credentials.duration_ms / 1000),
                session=task.session_id,
                is_final=NON_RETRYABLE.__contains__,
                patient=self._here is None,
            )
        except NoWorker as error:
            if self._here is not None:
                return await self._here.transcode(segment, credentials)
            raise MediaError(str(error)) from error
        except PeerTimeout as error:
            raise MediaError(TOO_LONG, error.peer) from error
        except PeerRefused as error:
            raise MediaError(error.reason, error.peer) from error
        finally:
            del self._sources[name]
        return list(renditions)

    def session_ended(self, session_id: str) -> None:
        """Free the session's place at its transcoder, which is told."""
        self.pool.end_session(session_id, session_over(session_id))

    # --- what a server calls ------------------------------------------------------------------------

    def attend(self, joins: TranscoderJoins) -> AsyncGenerator[SegmentTask, None]:
        """Tasks for a transcoder that has shown the secret; see `WorkerPool.attend`."""
        bits = DEFAULT_CAPABILITIES if joins.capabilities is None else joins.capabilities.bits
        offers = joins.capabilities or Capabilities(bits, capacities=with_capacities(bits))
        return self.pool.attend(offers, joins.capacity)

    def source(self, name: str) -> bytes | None:
        """A segment that is being worked on."""
        return self._sources.get(name)

    def expected(self, task_id: int) -> SegmentCredentials | None:
        """What a task is about, None if nobody waits for it."""
        found = self.pool.context(task_id)
        return found if isinstance(found, SegmentCredentials) else None

    def finish(self, task_id: int, parts: Sequence[tuple[bytes, int, bytes]]) -> bool:
        """Take renditions in the order of the profiles, each with its pixels and its perceptual hash or none.

        A result that cannot be is a failure of the transcoder's. False if nobody waits for it.
        """
        credentials = self.expected(task_id)
        if credentials is None:
            return False
        if len(parts) != len(credentials.profiles):
            return self.pool.fail(task_id, "MismatchedSegments" if parts else "ZeroSegments")
        renditions = []
        for profile, (data, pixels, perceptual_hash) in zip(credentials.profiles, parts, strict=True):
            if not data or not is_plausible(profile, pixels, credentials.duration_ms):
                _log.warning("impossible result task=%d profile=%s pixels=%d", task_id, profile.name, pixels)
                return self.pool.fail(task_id, "MediaStats Failure")
            renditions.append(Rendition(profile, data, pixels, perceptual_hash))
        return self.pool.finish(task_id, renditions)

    def fail(self, task_id: int, reason: str) -> bool:
        """Take a transcoder's word that it cannot; False if nobody waits for it."""
        return self.pool.fail(task_id, reason)
