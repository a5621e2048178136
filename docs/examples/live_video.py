"""Send live video through a model and keep what comes back.

IN is one segment of MPEG-TS, sent twice a second as a camera would send one after the other; OUT gets the first piece
that comes back. Who serves it is paid as time passes, by tickets.

usage: python live_video.py gateway.toml MODEL in.ts out.ts
"""

import asyncio
import sys
from pathlib import Path

from livepeer_client import Gateway, LivepeerError, load_gateway


async def main(config: str, model: str, segment: bytes) -> bytes:
    async with Gateway.open(load_gateway(config)) as gateway:
        async with gateway.live(model, {"prompt": "a rainy day"}) as session:

            async def film() -> None:
                while True:
                    await session.publish(segment)
                    await asyncio.sleep(0.5)

            camera = asyncio.create_task(film())
            piece = await anext(session.results())
            camera.cancel()
        print("made by", piece.orchestrator.hex())
        for total in (await gateway.totals()).values():
            print(f"paid {float(total.expected_value_sent) / 10**18:.9f} ETH in {total.payments} payments")
    return piece.data


if len(sys.argv) != 5:
    sys.exit(__doc__)
try:
    config, model, source, target = sys.argv[1:]
    Path(target).write_bytes(asyncio.run(main(config, model, Path(source).read_bytes())))
except (LivepeerError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
