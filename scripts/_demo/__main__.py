"""`python -m scripts._demo [--video PATH]`: tell the story; exit code 1 if the books do not agree."""

import argparse
import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

from livepeer_client.errors import LivepeerError
from scripts._demo.processes import ROOT, ProcessFailed
from scripts._demo.screen import Screen
from scripts._demo.story import Script, show_reconciliation, tell


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--video", type=Path, help="a file of your own instead of generated video")
    parser.add_argument("--segments", type=int, default=50, help="at most so many segments (default 50)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="keys, stores and logs (begun anew)")
    parser.add_argument("--picture", type=Path, help="save what was shown as SVG")
    return parser.parse_args()


async def perform(script: Script, screen: Screen) -> bool:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    return show_reconciliation(screen, await tell(script, screen))


def main() -> int:
    options = arguments()
    screen = Screen(record=options.picture is not None)
    if options.video is not None and not options.video.is_file():
        screen.console.print(f"[bold red]no such video:[/] {options.video}")
        return 2
    folder = options.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        agrees = asyncio.run(perform(Script(options.segments, options.video, folder), screen))
    except asyncio.CancelledError:
        screen.console.print("[yellow]stopped; the chain and all nodes are gone[/]")
        return 130
    except (LivepeerError, ProcessFailed) as error:
        screen.console.print(f"[bold red]{type(error).__name__}[/]: {error}", markup=True)
        screen.console.print(f"logs: {folder}")
        return 1
    screen.console.print()
    if not agrees:
        screen.console.print("[bold red]The books do not agree.[/]", f"Logs: {folder}")
        return 1
    screen.console.print("[bold green]Everything agrees, to the wei.[/]")
    if options.picture is not None:
        screen.save_picture(options.picture)
    return 0


if __name__ == "__main__":
    # The demo starts processes while it talks gRPC; none of them needs gRPC's state, so its fork hooks stay out.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    sys.exit(main())
