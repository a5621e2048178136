"""The documentation's code is code: README and docs/ compile, parse, and name what exists."""

import ast
import importlib
import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def blocks(language: str) -> list[object]:
    """Each fenced block of that language, with its page and number as the test's name."""
    return [
        pytest.param(block, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, block in enumerate(
            re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        )
    ]


def test_documentation__has_code_of_every_kind() -> None:
    assert [len(blocks(language)) >= least for language, least in (("python", 5), ("toml", 1), ("sh", 5))] == [True] * 3


@pytest.mark.parametrize("block", blocks("python"))
def test_documentation__python_block__compiles_and_its_imports_exist(block: str) -> None:
    compile(block, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("block", blocks("toml"))
def test_documentation__toml_block__parses(block: str) -> None:
    assert tomllib.loads(block)


@pytest.mark.parametrize("block", blocks("json"))
def test_documentation__json_block__parses(block: str) -> None:
    assert json.loads(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_documentation__make_targets_it_names__exist(page: Path) -> None:
    named = re.findall(r"(?:^|`)make ([a-z][a-z0-9-]*)", page.read_text(), re.MULTILINE)
    assert [name for name in named if name not in TARGETS] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_documentation__links_into_the_repository__lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_make_help__lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    told = text[text.index("\nhelp:") : text.index("# --- set-up")]
    words = set(re.findall(r"[a-z][a-z0-9-]*", told))
    assert sorted(TARGETS - words) == []
