"""A page for each contract, from its ABI and NatSpec."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts._environment import ROOT

_FORMATS = ("abi", "userdoc", "devdoc")
_NATURES = {"view": "reads", "pure": "computes", "nonpayable": "writes", "payable": "writes, takes ETH"}


def contract_pages() -> dict[str, str]:
    """Markdown by contract name, for every file that deploys."""
    names = sorted(path.stem for path in (ROOT / "contracts").glob("*.vy"))
    compiler = Path(sys.executable).parent / "vyper"
    files = [f"contracts/{name}.vy" for name in names]
    command = [str(compiler), "-p", str(ROOT), "-f", ",".join(_FORMATS), *files]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    outputs = [[json.loads(text) for text in lines[at : at + 3]] for at in range(0, 3 * len(names), 3)]
    return {name: _page(name, *output) for name, output in zip(names, outputs, strict=True)}


def _page(name: str, abi: list[dict[str, Any]], user: dict[str, Any], dev: dict[str, Any]) -> str:
    parts = [f"# {name}", _sentence(user.get("notice")), _sentence(dev.get("title")), _sentence(dev.get("details"))]
    if kill := dev.get("custom:kill"):
        parts += ['!!! note "How it is stopped or replaced"', f"    {_sentence(kill)}"]
    functions = [entry for entry in abi if entry["type"] == "function"]
    parts.append("## Functions")
    for entry in sorted(functions, key=lambda each: (each["stateMutability"] in ("view", "pure"), each["name"])):
        parts += _function(entry, user.get("methods", {}), dev.get("methods", {}))
    events = [entry for entry in abi if entry["type"] == "event"]
    if events:
        parts += ["## Events", "| event | arguments |\n|---|---|\n" + "\n".join(map(_event, events))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _function(entry: dict[str, Any], user: dict[str, Any], dev: dict[str, Any]) -> list[str]:
    signature = f"{entry['name']}({','.join(_type(each) for each in entry['inputs'])})"
    arguments = ", ".join(f"{each['name']}: {_type(each)}" for each in entry["inputs"])
    outputs = ", ".join(_type(each) for each in entry["outputs"])
    arrow = f" → {outputs}" if outputs else ""
    told = dev.get(signature, {})
    lines = [f"### {entry['name']}", f"`{entry['name']}({arguments}){arrow}` — {_NATURES[entry['stateMutability']]}"]
    lines.append(_sentence(user.get(signature, {}).get("notice")))
    lines.append(_sentence(told.get("details")))
    described = [f"- `{name}`: {_sentence(text)}" for name, text in told.get("params", {}).items()]
    described += [f"- returns {_sentence(text)}" for text in told.get("returns", {}).values()]
    return [*lines, "\n".join(described)]


def _event(entry: dict[str, Any]) -> str:
    arguments = ", ".join(
        f"`{each['name']}` {_type(each)}{' (indexed)' if each['indexed'] else ''}" for each in entry["inputs"]
    )
    return f"| `{entry['name']}` | {arguments} |"


def _type(entry: dict[str, Any]) -> str:
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(each) for each in entry['components'])}){kind.removeprefix('tuple')}"


def _sentence(text: object) -> str:
    return " ".join(str(text).split()) if text else ""
