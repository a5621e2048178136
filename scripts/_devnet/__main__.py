"""`python -m scripts._devnet [--orchestrators N]`: a network of one's own until Ctrl-C, or SIGTERM.

It lives here and not in the library, which knows nothing of the compiler: what is deployed is compiled by Ape from
`contracts/`, by the same script that deploys to testnets. The library's command line works against it like against any
other network.
"""

import argparse
import asyncio
import errno
import os
import shlex
import shutil
import signal
import socket
import sys
from pathlib import Path

from livepeer_client.errors import LivepeerError
from scripts._demo.processes import ROOT, ProcessFailed
from scripts._devnet.network import MOST, Network, network

_WATCH_S = 1.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make devnet", description="A network of one's own until Ctrl-C.")
    parser.add_argument("--orchestrators", type=int, default=2, help=f"1 to {MOST} (default 2)")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".devnet", help="keys, settings, stores, logs (begun anew)"
    )
    parser.add_argument("--port", type=int, default=8545, help="of the chain; 0 takes a free one (default 8545)")
    found = parser.parse_args()
    if not 1 <= found.orchestrators <= MOST:
        parser.error(f"--orchestrators: 1 to {MOST}, not {found.orchestrators}")
    return found


def taken(port: int) -> bool:
    """Whether something on this machine listens there already."""
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            own.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def told(net: Network) -> str:
    """Who is there, under which key, and what to do next."""
    shown = net.describe()
    lines = [f"chain     {shown['rpc_url']}, chain id {shown['chain_id']}, one block per second", ""]
    lines += [f"{name:15} {address}" for name, address in dict(shown["contracts"]).items()]  # type: ignore[call-overload]
    lines += ["", "keys of the test mnemonic, worth nothing elsewhere:"]
    people = [shown["deployer"], shown["gateway"], *shown["orchestrators"]]  # type: ignore[misc]
    lines += [f"{each['name']:15} {each['address']}  {each['key']}" for each in people]
    lines += [""]
    lines += [
        f"{member.node.name:15} {member.node.service_uri}  metrics {member.metrics_url}" for member in net.members
    ]
    first, gateway = shlex.quote(str(net.members[0].settings)), shlex.quote(str(net.gateway))
    tool = shlex.quote(str(Path(sys.executable).with_name("livepeer-client")))
    lines += [
        "",
        "next, in another terminal:",
        f"  {tool} gateway discover --config {gateway}",
        f"  {tool} status --config {first}",
        f"  {tool} dash --config {first} --gateway {gateway}",
        "",
        f"all of this for programs: {net.addresses.with_name('devnet.json')}",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


async def stay(options: argparse.Namespace, folder: Path) -> None:
    stop = asyncio.Event()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    ready = False

    def leave() -> None:
        # While it comes up there is nothing to wait for.
        stop.set() if ready else task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave)
    sys.stdout.write("compiling, deploying, starting the nodes ...\n")
    sys.stdout.flush()
    async with network(folder, options.orchestrators, options.port) as net:
        ready = True
        sys.stdout.write(f"{told(net)}ready {net.chain.url}\n")
        sys.stdout.flush()
        gone: set[str] = set()
        while not stop.is_set():
            for member in net.members:
                child = member.node.node
                if child is not None and not child.running and member.node.name not in gone:
                    gone.add(member.node.name)
                    sys.stdout.write(f"{member.node.name} ended with {child.process.returncode}: {child.log}\n")
                    sys.stdout.flush()
            try:
                async with asyncio.timeout(_WATCH_S):
                    await stop.wait()
            except TimeoutError:
                continue


def main() -> int:
    options = arguments()
    if taken(options.port):
        sys.stderr.write(f"port {options.port} is in use: take another with --port, 0 for a free one\n")
        return 1
    folder = options.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        asyncio.run(stay(options, folder))
    except asyncio.CancelledError:
        sys.stdout.write("stopped before it was up; everything is gone\n")
        return 130
    except (LivepeerError, ProcessFailed) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\nlogs: {folder}\n")
        return 1
    sys.stdout.write("stopped; everything is gone\n")
    return 0


if __name__ == "__main__":
    # It starts processes while it talks gRPC; none of them needs gRPC's state, so its fork hooks stay out.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    sys.exit(main())
