"""The real clock (`ports.Clock`); tests and simulations use `adapters.fakes.ManualClock`."""

import asyncio
import time


class SystemClock:
    """Wall time in Unix seconds, monotonic time, and the event loop's sleep."""

    def time(self) -> float:
        """Unix seconds; may step when the machine's clock is set."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never steps."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep at least `seconds`; at or below 0 it only lets others run."""
        await asyncio.sleep(max(0.0, seconds))
