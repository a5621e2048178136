"""Secrets that peers show are compared in time that does not depend on them.

A timing cannot be shown by a test that others share a machine with; that every comparison goes through the one function
that is made for it can.
"""

import inspect
from collections.abc import Callable

import pytest

from livepeer_client.adapters.redeemer_server import RedeemerServer
from livepeer_client.adapters.worker_server import Secret
from livepeer_client.codec.credentials import check_auth_token
from livepeer_client.codec.signer_api import unseal
from livepeer_client.policy import receiving


@pytest.mark.parametrize(
    "compares",
    [check_auth_token, unseal, Secret.is_shown_by, RedeemerServer, receiving],
    ids=["auth token", "signer's state", "workers' secret", "redeemer's token", "recipientRand"],
)
def test_secret__compared__through_compare_digest(compares: Callable[..., object]) -> None:
    assert "compare_digest(" in inspect.getsource(compares)
