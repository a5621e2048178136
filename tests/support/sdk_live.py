"""One live-video-to-video job by the official SDK; runs in its own environment, `.tools/sdk`.

argv[1] is JSON: orchestrator, signer (empty for none), segment (a path), payments, and how many segments have to come
back besides. Prints one JSON object of what it saw.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from livepeer_gateway import lp_rpc_pb2, remote_signer
from livepeer_gateway.lv2v import StartJobRequest, start_lv2v
from livepeer_gateway.trickle_publisher import TricklePublisher
from livepeer_gateway.trickle_subscriber import TrickleSubscriber

payments: list[bytes] = []
send_payment = remote_signer.PaymentSession.send_payment


def counted(self: remote_signer.PaymentSession) -> None:
    send_payment(self)
    payments.append(b"")


async def main(order: dict[str, Any], data: bytes) -> bytes:
    """The job; the first segment that came back."""
    remote_signer.PaymentSession.send_payment = counted
    job = start_lv2v(
        order["orchestrator"],
        StartJobRequest(model_id="noop", params={"prompt": "x"}, stream_id="s"),
        signer_url=order["signer"] or None,
        timeout=20,
    )
    received: list[bytes] = []
    events: list[dict[str, object]] = []

    async def publish() -> None:
        async with TricklePublisher(job.publish_url, "video/mp2t") as publisher:
            while len(payments) < order["payments"] or len(received) < order.get("received", 0):
                async with await publisher.next() as segment:
                    await segment.write(data)
                await asyncio.sleep(0.4)

    async def subscribe() -> None:
        async with TrickleSubscriber(job.subscribe_url) as subscriber:
            while (segment := await subscriber.next()) is not None:
                body = b""
                reader = segment.make_reader()
                while piece := await reader.read():
                    body += piece
                await segment.close()
                if body:
                    received.append(body)

    async def listen() -> None:
        async with TrickleSubscriber(job.events_url, start_seq=0) as subscriber:
            while (segment := await subscriber.next()) is not None:
                body = b""
                reader = segment.make_reader()
                while piece := await reader.read():
                    body += piece
                await segment.close()
                events.extend(json.loads(line) for line in body.splitlines() if line)

    listening = asyncio.ensure_future(listen())
    # The end of the publisher is the end of the session, so both readers end by themselves.
    await asyncio.gather(publish(), subscribe())
    await listening
    info = job.orchestrator_info
    assert isinstance(info, lp_rpc_pb2.OrchestratorInfo)
    print(
        json.dumps(
            {
                "manifest_id": job.manifest_id,
                "received": len(received),
                "payments": len(payments),
                "events": events,
                "address": info.address.hex(),
                "transcoder": info.transcoder,
                "info": info.SerializeToString(deterministic=True).hex(),
            }
        )
    )
    await job.close()
    return received[0] if received else b""


if __name__ == "__main__":
    ordered = json.loads(sys.argv[1])
    Path(ordered["output"]).write_bytes(asyncio.run(main(ordered, Path(ordered["segment"]).read_bytes())))
