"""Child processes that are gone again whatever happens to the demo."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_STOP_GRACE_S: Final = 10.0
# Even a SIGKILL of the demo must not leave a chain or a node behind: on Linux the child asks the kernel to be killed
# with its parent, then becomes the command. (Not in `preexec_fn`: forking a process in which gRPC runs is not safe.)
_LAUNCHER: Final = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class ProcessFailed(RuntimeError):
    """A child ended, or did not come up in time; carries the last lines it wrote."""


class Child:
    """One child process with its output in a file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wrote(self, prefix: str) -> bool:
        """True once a line of output since this start begins with `prefix`."""
        return any(line.startswith(prefix) for line in self.log.read_text(errors="replace").splitlines())

    async def wait_for_line(self, prefix: str, timeout_s: float) -> None:
        """:raises ProcessFailed: the child ended first, or took longer than `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.wrote(prefix):
                    if not self.running:
                        raise ProcessFailed(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise ProcessFailed(f"{self.name} was not ready after {timeout_s:.0f} s:\n{self.tail()}") from error

    async def kill(self) -> None:
        """SIGKILL: no goodbye, no flush."""
        if self.running:
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, and SIGKILL if that is not enough. Returns the exit code."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                async with asyncio.timeout(_STOP_GRACE_S):
                    return await self.process.wait()
            except TimeoutError:
                await self.kill()
        return await self.process.wait()


async def start(name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Child:
    """Start `command` with its output in `log` (begun anew)."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-S", "-c", _LAUNCHER),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=ROOT,
            # A group of its own: Ctrl-C reaches the demo alone, which then stops its children in order.
            start_new_session=True,
        )
    return Child(name, process, log)


async def run(name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run `command` to its end.

    :raises ProcessFailed: it did not end with 0.
    """
    child = await start(name, command, log, environment)
    try:
        code = await child.process.wait()
    except asyncio.CancelledError:
        await child.kill()
        raise
    if code != 0:
        raise ProcessFailed(f"{name} ended with {code}:\n{child.tail(40)}")


@contextlib.asynccontextmanager
async def running(name: str, command: Sequence[str], log: Path) -> AsyncIterator[Child]:
    """A child for the length of a block."""
    child = await start(name, command, log)
    try:
        yield child
    finally:
        await child.stop()
