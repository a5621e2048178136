"""A node's key, read from a file or in a signer, and the transactions it sends for several purposes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.keys import LocalSigner, load_key, load_token
from livepeer_client.adapters.sqlite import SqliteTransactionJournal
from livepeer_client.adapters.web3signer import Web3Signer
from livepeer_client.config import ChainConfig, KeyConfig
from livepeer_client.ports import TransactionSigner
from livepeer_client.services.transactions import TransactionManager


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


def make_transactor(suite: Suite, signer: TransactionSigner, config: ChainConfig) -> Transactor:
    """A transactor within the limits of `config`."""
    return Transactor(suite, signer, max_base_fee=config.max_base_fee_wei, max_fee_per_gas=config.max_fee_per_gas_wei)


@asynccontextmanager
async def open_transactions(
    suite: Suite, signer: TransactionSigner, config: ChainConfig, folder: Path
) -> AsyncIterator[TransactionManager]:
    """The manager of a key's transactions, with its journal in `folder`. Run it beside the services it has lanes for.

    :raises StoreError: the journal.
    """
    async with await SqliteTransactionJournal.open(folder / "transactions.sqlite") as journal:
        manager = TransactionManager(
            suite,
            make_transactor(suite, signer, config),
            journal,
            SystemClock(),
            poll_interval_s=config.poll_interval_s,
        )
        await manager.start()
        yield manager
