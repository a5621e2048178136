"""Every user entry point of the contracts as a typed call: amounts and addresses in, what happened out.

    done = await contracts.broker.fund_deposit(Wei(10**17))
    plan = await contracts.bonding.unbond(amount, dry_run=True)

With `dry_run=True` nothing is sent: the result says what would happen, with the gas and what it would cost. A refusal
is `Reverted` either way, with the contract's reason; refusals that would cost gas are found before anything is sent.
"""

from livepeer_client.policy.pool import Hint
from livepeer_client.services.calls.bonding import Bonding
from livepeer_client.services.calls.broker import Broker
from livepeer_client.services.calls.governance import Council, Polls
from livepeer_client.services.calls.result import Result
from livepeer_client.services.calls.suite import Contracts, Registry, Rounds, Token

__all__ = ["Bonding", "Broker", "Contracts", "Council", "Hint", "Polls", "Registry", "Result", "Rounds", "Token"]
