"""A live runner as a process of its own: it decodes each segment, inverts the picture, and encodes it again.

    python live_runner.py      prints `ready <port>`, then serves POST /live-video-to-video

MPEG-TS with H.264 in and out; the operation is the negative of every plane of every frame.
"""

import asyncio
import io
import json
import sys
from fractions import Fraction
from statistics import mean
from typing import Any

import aiohttp
import av
from aiohttp import web

from livepeer_client.adapters.trickle_client import TricklePublisher, TrickleSubscriber
from livepeer_client.errors import LivepeerError

NEGATIVE = bytes(255 - value for value in range(256))


def decode(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data), format="mpegts") as source:
        return list(source.decode(video=0))


def encode(frames: list[av.VideoFrame], *, fps: int = 30) -> bytes:
    out = io.BytesIO()
    with av.open(out, mode="w", format="mpegts") as sink:
        first = frames[0]
        stream = sink.add_stream("libx264", rate=fps, width=first.width, height=first.height, pix_fmt="yuv420p")
        stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, fps), av.video.frame.PictureType.NONE
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return out.getvalue()


def inverted(data: bytes) -> bytes:
    """The negative of a segment."""
    # All of it is decoded by now, so that no frame is needed any more to decode another.
    frames = decode(data)
    for frame in frames:
        for plane in frame.planes:
            plane.update(bytes(plane).translate(NEGATIVE))
    return encode(frames)


def brightness(data: bytes) -> list[float]:
    """The mean luma of every frame."""
    return [mean(_visible(frame.planes[0])) for frame in decode(data)]


def _visible(plane: av.video.plane.VideoPlane) -> bytes:
    """Without what stands beside the picture in memory."""
    rows, line = bytes(plane), plane.line_size
    return b"".join(rows[start : start + plane.width] for start in range(0, plane.height * line, line))


async def work(http: aiohttp.ClientSession, job: dict[str, Any]) -> None:
    output = TricklePublisher(http, job["publish_url"], "video/MP2T")
    events = TricklePublisher(http, job["events_url"], "application/json")
    try:
        await events.publish(json.dumps({"queue_event_type": "started", "event": {"params": job["params"]}}).encode())
        async for segment in TrickleSubscriber(http, job["subscribe_url"]).segments():
            if segment.data:
                await output.publish(await asyncio.to_thread(inverted, segment.data))
                event = {"queue_event_type": "segment", "event": {"seq": segment.seq}}
                await events.publish(json.dumps(event).encode())
    except (LivepeerError, av.FFmpegError) as error:
        sys.stderr.write(f"runner stopped: {error}\n")
    finally:
        await output.close()


async def main() -> None:
    tasks: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession() as http:

        async def start(request: web.Request) -> web.Response:
            job = await request.json()
            tasks.add(asyncio.ensure_future(work(http, job)))
            return web.json_response({})

        app = web.Application()
        app.router.add_post("/live-video-to-video", start)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"ready {runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
