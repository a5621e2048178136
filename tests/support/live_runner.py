"""A live runner as a process of its own: it decodes each segment, inverts the picture, and encodes it again.

    python live_runner.py      prints `ready <port>`, then serves POST /live-video-to-video

MPEG-TS with H.264 in and out; the operation is the negative of every plane of every frame, done with NumPy.
"""

import asyncio
import io
import json
import sys
from typing import Any

import aiohttp
import av
import numpy as np
from aiohttp import web

from livepeer_client.adapters.trickle_client import TricklePublisher, TrickleSubscriber
from livepeer_client.errors import LivepeerError

Frames = list[tuple[np.ndarray, int]]


def decode(data: bytes) -> Frames:
    """(luma and chroma planes as one yuv420p array, pts) of every frame."""
    with av.open(io.BytesIO(data), format="mpegts") as source:
        return [(frame.to_ndarray(format="yuv420p"), frame.pts or 0) for frame in source.decode(video=0)]


def encode(frames: Frames, *, fps: int = 30) -> bytes:
    out = io.BytesIO()
    with av.open(out, mode="w", format="mpegts") as sink:
        height, width = frames[0][0].shape[0] * 2 // 3, frames[0][0].shape[1]
        stream = sink.add_stream("libx264", rate=fps, width=width, height=height, pix_fmt="yuv420p")
        stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
        for number, (planes, _) in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), format="yuv420p")
            frame.pts = number
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return out.getvalue()


def inverted(data: bytes) -> bytes:
    """The negative of a segment."""
    return encode([(255 - planes, pts) for planes, pts in decode(data)])


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
