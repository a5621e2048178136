"""A node's way to the chain: one or several RPC URLs, patiently."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from livepeer_client.adapters.chain.failover import FailoverRpc
from livepeer_client.adapters.chain.retrying import RetryingRpc, RetryPolicy
from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.adapters.chain.suite import Addresses, Suite
from livepeer_client.config import ChainConfig


@asynccontextmanager
async def open_suite(config: ChainConfig, addresses: Addresses) -> AsyncIterator[Suite]:
    """The suite over the nodes of `config`, all of which must be of the chain of `addresses`."""
    nodes = [JsonRpc(url) for url in config.rpc_urls]
    async with FailoverRpc(nodes, chain_id=addresses.chain_id) as rpc:
        yield Suite(RetryingRpc(rpc, RetryPolicy(attempts=4)), addresses)
