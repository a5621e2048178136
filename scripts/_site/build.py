"""From docs/, README.md and the code to `.site/pages` and `.site/mkdocs.yml`."""

import ast
import re
import shutil
from pathlib import Path

from scripts._environment import ROOT
from scripts._site.contracts import contract_pages
from scripts._site.tables import provenance_page

SITE = ROOT / ".site"
PAGES = SITE / "pages"
DOCS = ROOT / "docs"
LIBRARY = ROOT / "client" / "livepeer_client"
MERMAID = ROOT / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")

# What stands where in the site's menu; other pages of docs/ follow under OTHERS, by name.
OTHERS = "Understand"
SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": ("index.md", "tutorial.md", "examples.md", "api.md"),
    "Operate": (
        "operators.md",
        "cli.md",
        "workers.md",
        "deploy.md",
        "stores.md",
        "chain.md",
        "redemption.md",
        "dashboard.md",
        "metrics.md",
    ),
    "Understand": (
        "mechanisms.md",
        "architecture.md",
        "payments.md",
        "discovery.md",
        "live.md",
        "selection.md",
        "transcoding.md",
        "win-check.md",
        "governance.md",
        "differences.md",
        "security.md",
    ),
    "Verify": ("testing.md", "static-analysis.md", "provenance.md"),
}


class BrokenPage(Exception):
    """A page or link of the documentation leads nowhere."""


def assemble() -> list[str]:
    """Write all pages and the menu. :returns: their names. :raises BrokenPage:"""
    shutil.rmtree(SITE, ignore_errors=True)
    PAGES.mkdir(parents=True)
    for path in sorted(DOCS.rglob("*")):
        if path.is_file() and path.suffix != ".py":
            target = PAGES / path.relative_to(DOCS)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                target.write_text(rewritten(path.read_text(), path))
            else:
                shutil.copyfile(path, target)
    # The theme would fetch it from elsewhere at every look.
    shutil.copyfile(MERMAID, PAGES / "mermaid.js")
    _write("index.md", rewritten((ROOT / "README.md").read_text(), ROOT / "README.md"))
    _write("provenance.md", provenance_page())
    _write("examples.md", _examples())
    contracts = contract_pages()
    for name, text in contracts.items():
        _write(f"contracts/{name}.md", text)
    modules = library_modules()
    for name in modules:
        _write(f"library/{name}.md", f"# {name}\n\n::: {name}\n")
    _menu(sorted(contracts), modules)
    return sorted(path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.md"))


def rewritten(text: str, page: Path) -> str:
    """A page whose links work in the site: those to other pages stay, those into the repository become its paths.

    :raises BrokenPage: a link leads nowhere.
    """

    def one(match: re.Match[str]) -> str:
        bang, label, target, anchor = match.group(1), match.group(2), match.group(3), match.group(4) or ""
        found = (page.parent / target).resolve()
        if not found.exists():
            raise BrokenPage(f"{page.relative_to(ROOT)}: {target} does not exist")
        if found.is_relative_to(DOCS) and found.suffix != ".py":
            # Pages of docs/ lie at the root of the site, and so does README.md.
            return f"{bang}[{label}]({found.relative_to(DOCS).as_posix()}{anchor})"
        path = found.relative_to(ROOT).as_posix()
        return f"{label} (`{path}`)" if label.strip("`") not in path else f"`{path}`"

    return _LINK.sub(one, text)


def library_modules() -> list[str]:
    """Every public module of the library that says something, but for generated code."""
    names = []
    for path in sorted(LIBRARY.rglob("*.py")):
        parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
        if (
            "proto" in parts
            or parts[-1] == "__main__"
            or any(part.startswith("_") and part != "__init__" for part in parts)
        ):
            continue
        body = ast.parse(path.read_text()).body
        if path.name == "__init__.py" and len(body) < 2:
            continue
        names.append(".".join(part for part in parts if part != "__init__"))
    return names


def _examples() -> str:
    parts = ["# Examples", "Each is a program, and run by the tests as a reader would run it."]
    for path in sorted((DOCS / "examples").glob("*.py")):
        parts += [f"## {path.stem.replace('_', ' ')}", f"```python\n{path.read_text()}```"]
    return "\n\n".join(parts) + "\n"


def _write(name: str, text: str) -> None:
    target = PAGES / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def _menu(contracts: list[str], modules: list[str]) -> None:
    here = {path.name for path in PAGES.glob("*.md")}
    placed = {name for names in SECTIONS.values() for name in names}
    if missing := placed - here:
        raise BrokenPage(f"{sorted(missing)} are in the menu and not written")
    lines = ["INHERIT: ../mkdocs.yml", "docs_dir: pages", "site_dir: html", "nav:"]
    for section, names in SECTIONS.items():
        more = sorted(here - placed) if section == OTHERS else []
        lines += [f"  - {section}:", *(f"      - {name}" for name in (*names, *more))]
    lines += ["  - Contracts:", *(f"      - contracts/{name}.md" for name in contracts)]
    lines += ["  - Library:"]
    package = ""
    for name in modules:
        layer = name.split(".")[1] if name.count(".") else "livepeer_client"
        if layer != package:
            lines.append(f"      - {layer}:")
            package = layer
        lines.append(f"          - {name.removeprefix('livepeer_client.')}: library/{name}.md")
    (SITE / "mkdocs.yml").write_text("\n".join(lines) + "\n")
