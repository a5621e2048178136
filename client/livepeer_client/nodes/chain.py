"""A node's way to the chain: one or several RPC URLs, patiently."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from livepeer_client.adapters.chain.failover import FailoverRpc
from livepeer_client.adapters.chain.retrying import RetryingRpc, RetryPolicy
from livepeer_client.adapters.chain.rpc import JsonRpc, Observe
from livepeer_client.adapters.chain.suite import Addresses, Suite
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.config import ChainConfig
from livepeer_client.services.gas import GasPriceMonitor


@asynccontextmanager
async def open_suite(config: ChainConfig, addresses: Addresses, observe: Observe | None = None) -> AsyncIterator[Suite]:
    """The suite over the nodes of `config`, all of which must be of the chain of `addresses`.

    :param observe: as of `JsonRpc`.
    """
    nodes = [JsonRpc(url, observe=observe) for url in config.rpc_urls]
    async with FailoverRpc(nodes, chain_id=addresses.chain_id) as rpc:
        yield Suite(RetryingRpc(rpc, RetryPolicy(attempts=4)), addresses)


def gas_monitor(suite: Suite, config: ChainConfig) -> GasPriceMonitor:
    """The one monitor of gas prices of a node: quotes and redemption both go by it. Run it beside them."""
    return GasPriceMonitor(
        suite, SystemClock(), min_price=config.min_gas_price_wei, poll_interval_s=config.poll_interval_s
    )
