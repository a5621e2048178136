"""Custom errors: the compiler writes none into the ABI, so their bytes are compared instead."""

from __future__ import annotations

import re
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
    expected = keccak(text=signature)[:4] + encode(types, values)
    with pytest.raises(ContractLogicError) as failure:
        yield
    # A failed transaction reads "0x<bytes>", a failed call "custom error 0x<selector>: <data>".
    actual = re.sub(r"^custom error |^0x|(?<=error )0x|: ", "", failure.value.message).removeprefix("0x")
    assert actual == expected.hex(), f"not {signature} of {values}: {failure.value.message}"
