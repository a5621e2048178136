"""One trickle channel: a ring of five segments that a publisher fills and subscribers follow (offchain-network 5).

`Channel` holds the segments of one channel and knows nothing of sockets or time. Whoever waits for it looks again after
each change: what a reader waits for is a number, never a slot, so that nobody holds a slot that nothing is written to.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from livepeer_client.errors import InvalidInput, RemoteProtocolError

RING: Final = 5
"""Segments kept; segment `seq` is in slot `seq` mod 5."""
NEXT: Final = -1
"""Instead of a sequence number: the segment that is to be written next."""
CURRENT: Final = -2
"""Instead of a sequence number: the segment that is being written, 0 if there is none."""
MAX_SEQ: Final = 2**53
"""Beyond this, numbers are not exact in every language that peers are written in."""
MAX_SEGMENT_BYTES: Final = 32 << 20
IDLE_S: Final = 300
"""A channel whose last segment started longer ago is closed."""

NOT_FOUND: Final = "Stream not found"
BAD_INDEX: Final = "Invalid idx"
NONEXISTENT: Final = "Nonexistent segment"
ENTRY_NOT_FOUND: Final = "Entry not found"
TOO_LARGE: Final = "Segment too large"
ENDED: Final = "Segment is closed"
TERMINATED: Final = "terminated"


class TrickleRefused(RemoteProtocolError):
    """A request that a channel does not serve; `status` and `reason` are what goes out. Nothing was changed."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"trickle request refused ({status}): {reason}")


class Segment:
    """Bytes written so far.

    `closed`: no more will come. `dropped`: a newer segment took its slot, and its bytes are gone; who has not read them
    by then has lost them. `writers`: requests that may still append.
    """

    __slots__ = ("closed", "data", "dropped", "seq", "writers")

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.data = bytearray()
        self.closed = False
        self.dropped = False
        self.writers = 0


class Miss(Enum):
    """Why there is nothing to read under a number."""

    WAIT = "it is the next one: hold the request"
    ABSENT = "it is too old, or too far ahead: 470"
    TERMINATED = "the channel has ended"


@dataclass(slots=True)
class Write:
    """A request that writes to one segment; `segment` is there from its first byte on."""

    seq: int
    segment: Segment | None = None


class Channel:
    """A channel's ring.

    :param max_segment_bytes: what one segment may hold; the ring holds five times that at most.
    :raises InvalidInput: no room for a byte.
    """

    def __init__(self, mime_type: str, *, max_segment_bytes: int = MAX_SEGMENT_BYTES) -> None:
        if max_segment_bytes <= 0:
            raise InvalidInput(f"a segment of at most {max_segment_bytes} bytes")
        self.mime_type = mime_type
        self._max_segment_bytes = max_segment_bytes
        self._slots: list[Segment | None] = [None] * RING
        self._next = 0
        self._closed = False

    @property
    def next_seq(self) -> int:
        """The write head: the number after the highest that was begun. `Lp-Trickle-Latest` on the wire."""
        return self._next

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(len(slot.data) for slot in self._slots if slot is not None)

    # --- writing ------------------------------------------------------------------------------------

    def write(self, seq: int) -> Write:
        """Begin a request that writes to `seq`; the head moves with its first byte.

        :raises TrickleRefused: 400 for no number or one that the ring has left behind; 404 once the channel is closed.
        """
        if self._closed:
            raise TrickleRefused(404, NOT_FOUND)
        seq = self._resolved(seq)
        segment = self._slots[seq % RING]
        if segment is not None and segment.seq == seq:
            if segment.closed:
                raise TrickleRefused(400, ENDED)
            segment.writers += 1
            return Write(seq, segment)
        if seq < self._next - RING or (segment is not None and segment.seq > seq):
            raise TrickleRefused(400, NONEXISTENT)
        return Write(seq)

    def append(self, write: Write, data: bytes) -> None:
        """Add bytes. A new segment takes its slot, and ends older ones that nobody writes to any more.

        :raises TrickleRefused: 413 beyond a segment's size, which ends the segment; 400 where it ended meanwhile;
            404 once the channel is closed.
        """
        segment = self._begun(write)
        if segment.closed:
            raise TrickleRefused(400, ENDED)
        if len(segment.data) + len(data) > self._max_segment_bytes:
            segment.closed = True
            raise TrickleRefused(413, TOO_LARGE)
        segment.data += data

    def finish(self, write: Write) -> None:
        """The body ended: so does the segment, an empty one too. On a channel that closed meanwhile this does nothing.

        :raises TrickleRefused: 400, an empty segment that the ring has left behind.
        """
        if self._closed:
            return
        segment = self._begun(write)
        segment.writers -= 1
        segment.closed = True

    def abandon(self, write: Write) -> None:
        """The body broke off: the segment stays open, so that its publisher may go on with it."""
        if write.segment is not None:
            write.segment.writers -= 1

    def reset(self, seq: int) -> None:
        """End all segments before `seq`: their publisher has started anew, and readers are not to wait for it."""
        for slot in self._slots:
            if slot is not None and slot.seq < seq:
                slot.closed = True

    def end_segment(self, seq: int) -> None:
        """End one segment at its publisher's wish.

        :raises TrickleRefused: 400 for no number, or a segment that is not in the ring.
        """
        seq = self._resolved(seq)
        segment = self._slots[seq % RING]
        if segment is None or segment.seq != seq:
            raise TrickleRefused(400, NONEXISTENT)
        segment.closed = True

    def close(self) -> None:
        """No more comes: every segment ends, and waiting readers learn that the channel has."""
        self._closed = True
        for slot in self._slots:
            if slot is not None:
                slot.closed = True

    def clear(self) -> None:
        """Give up all bytes, of a channel that is removed."""
        for index, slot in enumerate(self._slots):
            if slot is not None:
                _drop(slot)
                self._slots[index] = None

    # --- reading ------------------------------------------------------------------------------------

    def read_seq(self, seq: int) -> int:
        """The number that a reader's index stands for now.

        :raises TrickleRefused: 400, no such index.
        """
        return self._resolved(seq)

    def look(self, seq: int) -> Segment | Miss:
        """The segment `seq`, a resolved number, or why there is none."""
        segment = self._slots[seq % RING]
        if segment is not None and segment.seq == seq:
            return segment
        if self._closed:
            return Miss.TERMINATED
        if seq == self._next or (self._next == 0 and seq == 1):
            return Miss.WAIT
        return Miss.ABSENT

    # --- inside -------------------------------------------------------------------------------------

    def _resolved(self, seq: int) -> int:
        if seq == NEXT:
            return self._next
        if seq == CURRENT:
            return max(self._next - 1, 0)
        if not 0 <= seq <= MAX_SEQ:
            raise TrickleRefused(400, BAD_INDEX)
        return seq

    def _begun(self, write: Write) -> Segment:
        if self._closed:
            raise TrickleRefused(404, NOT_FOUND)
        if write.segment is not None:
            return write.segment
        slot = write.seq % RING
        old = self._slots[slot]
        if old is not None and old.seq == write.seq:
            # Another request was first; both append.
            write.segment = old
        elif write.seq < self._next - RING or (old is not None and old.seq > write.seq):
            raise TrickleRefused(400, NONEXISTENT)
        else:
            if old is not None:
                _drop(old)
            write.segment = self._slots[slot] = Segment(write.seq)
            self._next = max(self._next, write.seq + 1)
            for other in self._slots:
                # Whose publisher is gone would otherwise keep its readers for ever.
                if other is not None and other.seq < write.seq and not other.writers:
                    other.closed = True
        write.segment.writers += 1
        return write.segment


def _drop(segment: Segment) -> None:
    segment.closed = segment.dropped = True
    segment.data = bytearray()
