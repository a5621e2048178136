"""The command line: what it offers, its exit codes, and what it says without its extra."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from livepeer_client.cli import build


def livepeer_client(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line in a fresh interpreter, after `before`."""
    program = f"{before}\nimport sys; sys.argv[1:] = {list(arguments)!r}\nfrom livepeer_client.cli import main; main()"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "arguments", [("--help",), ("orchestrator", "run", "--help"), ("gateway", "discover", "--help")], ids=" ".join
)
def test_main__help__is_there_for_every_command(arguments: tuple[str, ...]) -> None:
    result = livepeer_client(*arguments)

    assert result.returncode == 0
    assert "Usage" in result.stdout


def test_main__as_a_module__is_the_same() -> None:
    command = [sys.executable, "-m", "livepeer_client", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert result.returncode == 0
    assert "orchestrator" in result.stdout


@pytest.mark.parametrize("arguments", [("orchestrator", "run"), ("gateway", "discover")], ids=" ".join)
def test_main__a_settings_file_that_is_not_there__exits_2_in_one_line(arguments: tuple[str, ...]) -> None:
    result = livepeer_client(*arguments, "--config", "/nowhere/settings.toml")

    assert result.returncode == 2
    assert result.stderr.startswith("livepeer-client: /nowhere/settings.toml: cannot be read")
    assert result.stderr.count("\n") == 1


def test_main__without_the_extra__names_it() -> None:
    result = livepeer_client("--help", before="import sys; sys.modules['typer'] = None")

    assert result.returncode == 2
    assert "livepeer-client[cli]" in result.stderr
    assert "Traceback" not in result.stderr


def test_main__a_broken_install_of_something_else__is_not_mistaken_for_the_extra() -> None:
    result = livepeer_client("orchestrator", "run", "--config", "x", before="import sys; sys.modules['tomllib'] = None")

    assert result.returncode == 1
    assert "livepeer-client[cli]" not in result.stderr


def test_main__version__is_the_packages() -> None:
    result = livepeer_client("--version")

    assert (result.returncode, result.stdout) == (0, f"livepeer-client {version('livepeer-client')}\n")


def test_main__completion__is_offered_by_the_program() -> None:
    result = livepeer_client("--show-completion", "bash")

    assert result.returncode == 0
    assert "livepeer-client" in result.stdout


def commands() -> dict[tuple[str, ...], Any]:
    """Every command by the words that lead to it."""

    def inside(words: tuple[str, ...], command: Any) -> dict[tuple[str, ...], Any]:
        below = getattr(command, "commands", None)
        if below is None:
            return {words: command}
        return {k: v for name, each in below.items() for k, v in inside((*words, name), each).items()}

    return inside((), typer.main.get_command(build()))


def test_commands__each_of_them__has_help_and_is_in_the_documentation() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text()
    found = commands()

    assert len(found) > 25
    assert [words for words, command in found.items() if not command.help] == []
    assert [" ".join(words) for words in found if f"`{' '.join(words)}" not in text] == []


def test_commands__those_that_report__offer_json_and_those_that_send_a_dry_run() -> None:
    found = commands()
    options = {words: {name for param in command.params for name in param.opts} for words, command in found.items()}
    # What goes on until it is stopped.
    nodes = {words for words in found if words[-1] in ("run", "up", "dash", "serve")}

    assert len(nodes) >= 4
    assert [words for words in found if "--json" not in options[words] and words not in nodes] == []
    spending = {words[0] for words in found if "--dry-run" in options[words]}
    assert spending == {
        *("fund", "unlock", "cancel-unlock", "withdraw", "bond", "unbond", "rebond", "withdraw-stake"),
        *("withdraw-fees", "set-rates", "set-uri", "rounds", "rewards", "vote", "queue", "execute", "poll-vote"),
    }


def test_commands__none_of_them__takes_a_secret_as_an_argument() -> None:
    names = {name for command in commands().values() for param in command.params for name in (param.name or "",)}

    assert [name for name in names if any(word in name for word in ("password", "private", "secret", "token"))] == []
