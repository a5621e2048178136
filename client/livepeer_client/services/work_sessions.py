"""What an orchestrator keeps of a session while it is open."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from livepeer_client.codec.messages import SegmentCredentials, Slice, TranscodedSegment, VideoProfile
from livepeer_client.services.renditions import KEPT_PER_DIRECTORY
from livepeer_client.types import Address, Hash32


class Auto(Enum):
    """A limit that goes by what there is."""

    AUTO = "auto"


AUTO: Final = Auto.AUTO

Done = tuple[tuple[TranscodedSegment, ...], bytes]
"""Renditions on offer, with the signature over them."""
_Key = tuple[Address, int, Hash32, tuple[VideoProfile, ...], Slice | None]


@dataclass(slots=True)
class WorkSession:
    """`turn` keeps the order; `present` segments hold a place. The last answers are remembered for as long as their
    renditions are kept: what is sent again, by a gateway that missed the answer or by somebody who copied its headers,
    is answered again and not charged twice."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    present: int = 0
    used_at: float = 0.0
    answers: OrderedDict[_Key, Done] = field(default_factory=OrderedDict)

    def answered(self, sender: Address, credentials: SegmentCredentials) -> Done | None:
        """What the same segment was answered with."""
        return self.answers.get(_key(sender, credentials))

    def remember(self, sender: Address, credentials: SegmentCredentials, done: Done) -> None:
        """Keep an answer, dropping the oldest beyond what is kept of renditions."""
        self.answers[_key(sender, credentials)] = done
        while len(self.answers) > KEPT_PER_DIRECTORY:
            self.answers.popitem(last=False)


def _key(sender: Address, credentials: SegmentCredentials) -> _Key:
    return sender, credentials.seq, credentials.hash, credentials.profiles, credentials.slice
