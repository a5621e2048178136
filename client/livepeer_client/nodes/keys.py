"""A node's key: read from a file, or in a signer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from livepeer_client.adapters.keys import LocalSigner, load_key, load_token
from livepeer_client.adapters.web3signer import Web3Signer
from livepeer_client.config import KeyConfig
from livepeer_client.ports import TransactionSigner


@asynccontextmanager
async def open_signer(config: KeyConfig) -> AsyncIterator[TransactionSigner]:
    """The signer that `config` names.

    :raises ConfigError: a file, or an account that the signer does not have.
    :raises TransportError: the signer is not reached.
    """
    if config.signer_url is not None and config.address is not None:
        token = None if config.token_file is None else await asyncio.to_thread(load_token, config.token_file)
        async with Web3Signer(config.signer_url, config.address, token=token) as signer:
            yield signer
        return
    assert config.file is not None
    yield LocalSigner(await asyncio.to_thread(load_key, config.file, config.password_file))
