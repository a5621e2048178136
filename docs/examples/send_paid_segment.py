"""Send one paid segment of video.

The segment is H.264 in MPEG-TS, the number its length in milliseconds. Deposit and reserve are put down if there is
none yet.

usage: python send_paid_segment.py gateway.toml segment.ts 2000
"""

import asyncio
import sys
from pathlib import Path

from livepeer_client import Gateway, LivepeerError, VideoProfile, Wei, load_gateway


async def main(config: str, segment: bytes, duration_ms: int) -> None:
    profiles = [VideoProfile(name="P240p25fps16x9", width=426, height=240, bitrate=500_000, fps=25)]
    async with Gateway.open(load_gateway(config)) as gateway:
        if (await gateway.account()).deposit == 0:
            await gateway.fund(deposit=Wei(10**17), reserve=Wei(10**17))
        stream = gateway.stream(profiles)
        result = await stream.submit(seq=0, segment=segment, duration_ms=duration_ms)
    print("transcoded by", result.orchestrator.hex())
    print("fee", result.fee, "wei")
    for rendition in result.renditions:
        print(len(rendition.data), "bytes")


if len(sys.argv) != 4:
    sys.exit(__doc__)
try:
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]).read_bytes(), int(sys.argv[3])))
except (LivepeerError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
