"""Custom errors: the compiler writes none into the ABI, so their bytes are compared instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ape.exceptions import ContractLogicError
from eth_abi import encode
from eth_utils import keccak


@contextmanager
def reverts_with(signature: str, *values: Any) -> Iterator[None]:
    """Expect a call or a transaction to fail with exactly this error, as in `reverts_with("Late(uint256)", 7)`."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    selector, data = keccak(text=signature)[:4], encode(types, values)
    # A failed transaction shows the bytes in hex; so does a failed call, unless they happen to be valid text.
    expected = {
        f"0x{(selector + data).hex()}",
        f"custom error 0x{selector.hex()}: {data.hex()}",
        f"custom error 0x{selector.hex()}: {data.decode(errors='replace')}",
    }
    with pytest.raises(ContractLogicError) as failure:
        yield
    message = failure.value.message
    assert message in expected, f"not {signature} of {values}: {message!r}"
