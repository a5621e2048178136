"""The first frames of an HTTP/2 connection: read just far enough to tell gRPC from other HTTP (RFC 9113).

Some gRPC clients send no request before they have seen the server's SETTINGS, so an empty one goes out first, and
whichever server the connection is then given to sends its own. The peer acknowledges both; the first acknowledgement
is taken out of what is passed on, for that server would not know what it is for.
"""

from enum import Enum, auto
from typing import Final

import hpack
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame, PingFrame, SettingsFrame

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GREETING: Final = SettingsFrame(0).serialize()
"""SETTINGS without any, so that the next one says all there is to say."""
MAX_FRAME_BYTES: Final = 1 << 14
"""Until the first SETTINGS are acknowledged; a larger size is offered by the second."""
HEAD_BYTES: Final = 9
GRPC: Final = "application/grpc"


class Kind(Enum):
    GRPC = auto()
    HTTP = auto()
    BROKEN = auto()
    """Not HTTP/2, or more headers than allowed."""


class Opening:
    """Takes what a peer sends; `kind` is None until its first request's headers are complete.

    :param max_header_bytes: of the first request, packed as well as unpacked.
    """

    def __init__(self, max_header_bytes: int) -> None:
        self.kind: Kind | None = None
        self.reply = bytearray()
        """What is to be sent back; the caller takes it."""
        self.greeted = False
        """Whether the peer has sent the preface and a whole frame, which every client does at once."""
        self._max = max_header_bytes
        self._received = bytearray()
        self._passed = bytearray()
        self._block: bytearray | None = None
        self._started = False
        self._acknowledged = False

    def feed(self, data: bytes) -> bytes:
        """What to pass on to the server: nothing while `kind` is not known, then everything held back."""
        self._received += data
        if not self._started:
            if len(self._received) < len(PREFACE):
                if not PREFACE.startswith(self._received):
                    self.kind = Kind.BROKEN
                return b""
            if not self._received.startswith(PREFACE):
                self.kind = Kind.BROKEN
                return b""
            self._started = True
            self._pass(len(PREFACE))
        while self.kind is not Kind.BROKEN and not self.done and self._take_frame():
            pass
        if self.kind is None or self.kind is Kind.BROKEN:
            return b""
        if self.done:
            self._pass(len(self._received))
        passed, self._passed = bytes(self._passed), bytearray()
        return passed

    @property
    def done(self) -> bool:
        """Whether all that follows can be passed on as it comes."""
        return self.kind is not None and self._acknowledged

    def _pass(self, count: int) -> None:
        self._passed += self._received[:count]
        del self._received[:count]

    def _take_frame(self) -> bool:
        """Pass on, answer or drop the next frame; False if it is not yet there."""
        if len(self._received) < HEAD_BYTES:
            return False
        try:
            frame, length = Frame.parse_frame_header(memoryview(bytes(self._received[:HEAD_BYTES])))
        except HyperframeError:
            self.kind = Kind.BROKEN
            return False
        if length > MAX_FRAME_BYTES:
            self.kind = Kind.BROKEN
            return False
        if len(self._received) < HEAD_BYTES + length:
            return False
        if self.kind is None and not self._look_at(frame, bytes(self._received[HEAD_BYTES : HEAD_BYTES + length])):
            return False
        self.greeted = True
        acknowledges = isinstance(frame, SettingsFrame) and "ACK" in frame.flags and not self._acknowledged
        answered = self.kind is None and isinstance(frame, PingFrame)
        if acknowledges or answered:
            self._acknowledged |= acknowledges
            del self._received[: HEAD_BYTES + length]
        else:
            self._pass(HEAD_BYTES + length)
        if self.kind is None and len(self._passed) > 2 * self._max:
            self.kind = Kind.BROKEN
        return True

    def _look_at(self, frame: Frame, body: bytes) -> bool:
        """Learn from a frame before the first request is complete; False if it is broken."""
        try:
            frame.parse_body(memoryview(body))
        except HyperframeError:
            self.kind = Kind.BROKEN
            return False
        if isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            # Whoever waits before the first request wants to know that somebody is there.
            self.reply += PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize()
            return len(self.reply) <= MAX_FRAME_BYTES
        if self._block is not None and not isinstance(frame, ContinuationFrame):
            self.kind = Kind.BROKEN
            return False
        if isinstance(frame, HeadersFrame):
            self._block = bytearray()
        if self._block is not None and isinstance(frame, HeadersFrame | ContinuationFrame):
            self._block += frame.data
            if len(self._block) > self._max:
                self.kind = Kind.BROKEN
                return False
            if "END_HEADERS" in frame.flags:
                self.kind = self._judge(bytes(self._block))
        return self.kind is not Kind.BROKEN

    def _judge(self, block: bytes) -> Kind:
        try:
            headers = hpack.Decoder(max_header_list_size=self._max).decode(block, raw=True)
        except hpack.HPACKError:
            return Kind.BROKEN
        for name, value in headers:
            if bytes(name) == b"content-type":
                return Kind.GRPC if bytes(value).decode("latin-1").lower().startswith(GRPC) else Kind.HTTP
        return Kind.HTTP
