"""The transport that a request sees which came as one of an HTTP/2 connection's streams."""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livepeer_client.adapters.http2 import Http2Connection


class StreamTransport(asyncio.Transport):
    """What a request takes for its transport: ends its own stream, never the connection that others are on.

    Bytes of it there are none: who writes to a transport speaks HTTP/1.1.
    """

    def __init__(self, connection: "Http2Connection", stream_id: int) -> None:
        super().__init__()
        self._connection = connection
        self._stream_id = stream_id

    def is_closing(self) -> bool:
        """Whether the peer is gone, or has given up the request."""
        return not self._connection.is_wanted(self._stream_id)

    def abort(self) -> None:
        self._connection.abort(self._stream_id)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._connection.transport.get_extra_info(name, default)

    def say_continue(self) -> None:
        """An interim answer: go on, or go on waiting."""
        self._connection.say_continue(self._stream_id)
