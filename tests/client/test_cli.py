"""The command line: what it offers, its exit codes, and what it says without its extra."""

import subprocess
import sys

import pytest


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
