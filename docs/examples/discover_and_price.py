"""Discover orchestrators and price a job.

Everybody in the pool is asked at once. For each the answer says whether it fits, and if not, why.

usage: python discover_and_price.py gateway.toml
"""

import asyncio
import sys

from livepeer_client import Gateway, LivepeerError, VideoProfile, load_gateway

WIDTH, HEIGHT, FPS = 426, 240, 25


async def main(config: str) -> None:
    profile = VideoProfile(name="P240p25fps16x9", width=WIDTH, height=HEIGHT, bitrate=500_000, fps=FPS)
    async with Gateway.open(load_gateway(config)) as gateway:
        _, selection = await gateway.discover([profile])
    for candidate in selection.candidates:
        print(candidate.uri, candidate.verdict.value, candidate.reason)
        if candidate.price is not None:
            # Prices are exact fractions of wei per pixel.
            minute = candidate.price * WIDTH * HEIGHT * FPS * 60
            print(f"  a minute of {profile.name} costs {float(minute) / 10**18:.6f} ETH")


if len(sys.argv) != 2:
    sys.exit(__doc__)
try:
    asyncio.run(main(sys.argv[1]))
except (LivepeerError, OSError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
