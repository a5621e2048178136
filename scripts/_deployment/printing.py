"""Text of others for a terminal: what a decision, a contract or a node says must not pass for what a command says."""

from __future__ import annotations

# Before every further line of a text, so that none looks like a line of the command's own.
CONTINUED = "\n    | "


def harmless(text: str) -> str:
    """Without what a terminal would obey or hide: such characters as their numbers. Lines stay."""
    return "".join(char if char.isprintable() or char == "\n" else _number(char) for char in text)


def quoted(text: str) -> str:
    """On one line and in quotes, so that its end is seen."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else _number(char) for char in escaped) + '"'


def told(text: str) -> str:
    """Several lines, each of which is seen to belong to the text."""
    return CONTINUED.join(harmless(text).split("\n"))


def _number(char: str) -> str:
    return "\\n" if char == "\n" else f"\\u{ord(char):04x}"
