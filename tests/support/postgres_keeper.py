"""Keeps a PostgreSQL server for whoever holds the other end of standard input, and no longer.

    python postgres_keeper.py BIN FOLDER USER [durable]

Makes a cluster in FOLDER, which must not exist, serves it on a socket there as USER (`-`: whoever runs this) and says
`ready`. Only if it is `durable` does it wait for the disk. `restart` on standard input kills the server as a crash
would and starts it again. At the end of the input, which the death of the caller is in every form, the server is
stopped and FOLDER removed. It stands alone, because it is run as a script.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

SUPERUSER = "livepeer"
# What a killed server has written is with the operating system, which no test kills.
LAX = ("-c", "fsync=off", "-c", "full_page_writes=off")


def main(binaries: Path, folder: Path, user: str, options: tuple[str, ...]) -> None:
    # Only the end of the input ends us, so that Ctrl-C and the like leave nothing behind.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    folder.mkdir(mode=0o700)
    # PostgreSQL refuses to run as root.
    identity: dict[str, object] = {}
    if user != "-":
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    server = None
    try:
        initdb = [binaries / "initdb", "-D", folder / "data", "-U", SUPERUSER, "-A", "trust", "-E", "UTF8"]
        made = subprocess.run(
            [*initdb, "--locale=C", "--no-sync"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            **identity,
        )
        if made.returncode:
            sys.exit(made.stdout + made.stderr)
        server = start(binaries, folder, options, identity)
        for line in sys.stdin:
            if line.strip() == "restart":
                stop(server, signal.SIGQUIT)
                server = start(binaries, folder, options, identity)
    finally:
        if server is not None:
            stop(server, signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def start(
    binaries: Path, folder: Path, options: tuple[str, ...], identity: dict[str, object]
) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", *options],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A child of its own session, out of the terminal's reach.
            start_new_session=True,
            # The signals ignored here are PostgreSQL's to handle.
            preexec_fn=heed_signals,
            **identity,
        )
    ready = [binaries / "pg_isready", "-q", "-h", folder, "-U", SUPERUSER, "-d", "postgres"]
    for _ in range(600):
        if server.poll() is not None:
            sys.exit((folder / "log").read_text(errors="replace"))
        if subprocess.run(ready, check=False).returncode == 0:
            print("ready", flush=True)
            return server
        time.sleep(0.05)
    stop(server, signal.SIGQUIT)
    sys.exit("the server did not come up in 30 s: " + (folder / "log").read_text(errors="replace"))


def heed_signals() -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


def stop(server: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """SIGQUIT: stop at once, as in a crash, and recover at the next start."""
    server.send_signal(how)
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], () if "durable" in sys.argv[4:] else LAX)
