"""The command line: arguments to settings to a node or a call, and exit codes. Nothing here is worth importing.

typer and rich are the extra `cli`; without them `main` says so instead of failing on an import. Every other module of
this package imports them, and is imported by `build` alone.
"""

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import typer

EXIT_USAGE: Final = 2
"""Also for settings that are refused: nothing was started."""

_MISSING: Final = "the command line needs the extra `cli`: pip install 'livepeer-client[cli]'"


def main() -> None:
    """Entry point of `livepeer-client` and `python -m livepeer_client`."""
    try:
        app = build()
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write(f"livepeer-client: {_MISSING}\n")
        raise SystemExit(EXIT_USAGE) from None
    app(prog_name="livepeer-client")


def build() -> "typer.Typer":
    """The commands.

    :raises ModuleNotFoundError: the extra `cli` is not installed.
    """
    from livepeer_client.cli.app import make_app

    return make_app()
