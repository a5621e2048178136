"""What a user installs: a typed wheel with the package and its data, and nothing of the tools it was made with."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import livepeer_client

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "client" / "livepeer_client"
TOOLS = ("ape", "vyper", "titanoboa", "hypothesis", "pytest")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    # The build backend finds its own program by PATH.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_wheel__its_files__are_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name.removeprefix("livepeer_client/") for name in names if name.startswith("livepeer_client/")}
    outside = [name for name in names if not name.startswith(("livepeer_client/", "livepeer_client-"))]
    expected = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert outside == []
    assert {name for name in inside if name and not name.endswith("/")} == expected
    assert "py.typed" in inside
    assert "adapters/abi/TicketBroker.json" in inside


def test_wheel__its_metadata__asks_for_no_compiler_and_no_ape_unless_extra(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = HeaderParser().parsestr(archive.read(name).decode())
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert required
    assert [line for line in required if any(tool in line for tool in (*TOOLS, "web3", "typer", "rich"))] == []
    assert metadata["License-Expression"] == "MIT"
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_wheel__unpacked_without_the_checkout__imports(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = "import livepeer_client, sys; print(livepeer_client.__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path))


def test_import__of_the_library__pulls_neither_web3_nor_servers_nor_codecs() -> None:
    heavy = ("web3", "eth_account", "aiohttp", "grpc", "av", "rich", "typer", "ape", "vyper")
    program = f"import json, sys, livepeer_client; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_public_names__all_of_them__exist_once_in_order_and_are_documented() -> None:
    names = livepeer_client.__all__
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(livepeer_client, name)] == []
    page = (ROOT / "docs" / "api.md").read_text()
    assert [name for name in names if f"`{name}`" not in page] == []


def test_public_names__asked_for_by_the_examples__are_all_they_need() -> None:
    outside = {
        f"{path.name}: {node.module}"
        for path in (ROOT / "docs" / "examples").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("livepeer_client.")
    }
    # Bytes on the wire and the job types of signers are parts of the network, not of the API.
    assert {line.split(": ")[1] for line in outside} <= {
        "livepeer_client.codec",
        "livepeer_client.codec.credentials",
        "livepeer_client.policy.signing",
        "livepeer_client.services.blocks",
    }


def test_public_names__one_that_is_not__is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = livepeer_client.nothing


def test_sources__every_module__stays_readable_in_length() -> None:
    too_long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("client", "scripts", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 500 and not path.name.endswith("_pb2.py")
    }
    assert too_long == {}


def test_sources__every_module_of_the_library__has_a_docstring() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in SOURCES.rglob("*.py")
        if not path.name.endswith("_pb2.py") and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_tools__of_deployment__are_absent_from_the_package() -> None:
    assert importlib.util.find_spec("livepeer_client.scripts") is None
    imported = {
        alias.name.split(".")[0]
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported.isdisjoint({"ape", "vyper", "scripts", "tests"})
