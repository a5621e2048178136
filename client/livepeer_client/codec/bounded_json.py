"""JSON that somebody else wrote: read like `json.loads`, but not deeper than any message of the network is.

The standard decoder recurses in C. What stops it is Python's recursion limit, which other packages of the same process
raise (py_ecc to 100,000): then a few kilobytes of brackets end the process.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

MAX_DEPTH: Final = 64
_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def loads(data: str | bytes | bytearray, *, parse_float: Callable[[str], Any] | None = None) -> Any:
    """As `json.loads`.

    :raises ValueError: no JSON, or nested deeper than `MAX_DEPTH`.
    """
    text = data if isinstance(data, str) else data.decode(json.detect_encoding(data), "surrogatepass")
    # Most messages have fewer brackets than may be nested.
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    return json.loads(text, parse_float=parse_float)


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKENS.finditer(text):
        bracket = token[0]
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"JSON nested deeper than {MAX_DEPTH}")
        elif bracket in "]}":
            depth -= 1
