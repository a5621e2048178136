"""Tells the store's story in processes that are killed: `python killed_story.py FOLDER`.

There is one process for every moment at which SQLite begins a statement, and one for every moment between a commit and
its answer. Each writes `N.sqlite` and, in `N.log`, a line per acknowledged step; the line printed for it says what it
was about to do. They are forked from one that has everything imported, so that hundreds of them take seconds.
"""

import asyncio
import json
import os
import signal
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Some installed package is called `tests` as well.
package = sys.modules["tests"] = types.ModuleType("tests")
package.__path__ = [str(ROOT / "tests")]

from livepeer_client.adapters.sqlite import SqliteTicketStore  # noqa: E402
from tests.support.store_story import Story  # noqa: E402


class Moments:
    """Counts them, and kills the process at one."""

    def __init__(self, fatal: int | None = None) -> None:
        self.fatal = fatal
        self.names: list[str] = []
        self.counting = False

    def pass_(self, name: str) -> None:
        if self.counting:
            if len(self.names) == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            self.names.append(name)


async def tell(path: Path, moments: Moments) -> None:
    store = await SqliteTicketStore.open(path, on_commit=lambda _: moments.pass_("ANSWER"))
    await store._database.run(lambda connection: connection.set_trace_callback(moments.pass_))  # type: ignore[attr-defined]
    with path.with_suffix(".log").open("ab", buffering=0) as log:
        moments.counting = True
        await Story(store).tell(acknowledged=lambda step: log.write(b"%d\n" % step) and None)
        moments.counting = False
    await store.close()


def main(folder: Path) -> None:
    moments = Moments()
    asyncio.run(tell(folder / "whole.sqlite", moments))
    for number, name in enumerate(moments.names):
        child = os.fork()
        if child == 0:
            asyncio.run(tell(folder / f"{number}.sqlite", Moments(number)))
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"moment {number} never came"
        assert os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps(name), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
