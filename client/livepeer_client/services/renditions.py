"""Renditions in memory until they are fetched: the driver for peers without a store of their own.

{service_uri}/stream/{session}/{profile}/{seq}.ts
"""

from collections import OrderedDict
from typing import Final
from urllib.parse import quote

from livepeer_client.codec.messages import Slice, VideoFormat, VideoProfile

KEPT_PER_DIRECTORY: Final = 12
"""A gateway that is more segments behind than this has given up on them."""
KEPT_DIRECTORIES: Final = 10
"""Profiles of one session; a job has no more, and their names are the peer's to choose anew with each segment."""

_SUFFIX: Final = {VideoFormat.MPEGTS: ".ts", VideoFormat.MP4: ".mp4"}


class RenditionStore:
    """The last renditions of each session and its last profiles. A session's go when it is dropped."""

    def __init__(self, service_uri: str) -> None:
        self._base = f"{service_uri}/stream"
        self._sessions: dict[str, OrderedDict[str, OrderedDict[str, bytes]]] = {}

    def put(self, session_id: str, profile: VideoProfile, seq: int, data: bytes, part: Slice | None = None) -> str:
        """Keep a rendition, of the whole segment or a `part` of it, dropping the oldest of its profile beyond the
        limit.

        :returns: the URL it can be fetched at.
        """
        of = "" if part is None else f"-{part.from_ms}-{part.to_ms}"
        name = f"{seq}{of}{_SUFFIX[profile.format]}"
        directories = self._sessions.setdefault(session_id, OrderedDict())
        directory = directories.setdefault(profile.name, OrderedDict())
        directories.move_to_end(profile.name)
        while len(directories) > KEPT_DIRECTORIES:
            directories.popitem(last=False)
        directory.pop(name, None)
        directory[name] = data
        while len(directory) > KEPT_PER_DIRECTORY:
            directory.popitem(last=False)
        # Both names come from the peer: whatever they contain stays one path segment.
        return f"{self._base}/{quote(session_id, safe='')}/{quote(profile.name, safe='')}/{name}"

    def get(self, session_id: str, profile_name: str, name: str) -> bytes | None:
        directories = self._sessions.get(session_id)
        directory = None if directories is None else directories.get(profile_name)
        return None if directory is None else directory.get(name)

    def drop(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
