"""Which winners to redeem now, in which order, and what became of them (offchain-payments 16).

Everything here is a value computed from values: the service reads the chain, asks, and acts. A decision exists for
every ticket it was asked about, with its reason and the figures behind it.
"""

from livepeer_client.policy.redemption.alarms import Alarm, Alert, alarms_of, window_alarms
from livepeer_client.policy.redemption.calls import (
    BROKER,
    batch_arguments,
    call_of,
    compact_arguments,
    redeem_arguments,
    share_terms,
)
from livepeer_client.policy.redemption.data_fee import DataFees, data_fees, representative_calls
from livepeer_client.policy.redemption.deadlines import (
    Window,
    deadline_block,
    end_block,
    is_urgent,
    last_usable_round,
    outlives_its_tickets,
    validity_end,
    window,
)
from livepeer_client.policy.redemption.explain import Explanation, eth, explain
from livepeer_client.policy.redemption.gas import (
    accepted_share,
    batch_gas_limit,
    gas_bound,
    is_cheap,
    own_gas,
    replacement_ceiling,
    ticket_cost,
)
from livepeer_client.policy.redemption.grouping import plan
from livepeer_client.policy.redemption.outcome import Redeemed, outcomes_of, ran_out_of_gas, redeemed_in
from livepeer_client.policy.redemption.refusals import PAUSED, REFUSALS, Refusal, classify, failed_simulation
from livepeer_client.policy.redemption.settings import CONTRACT_BATCH_MAX, RedemptionPolicy
from livepeer_client.policy.redemption.situation import (
    Action,
    BatchPlan,
    Decision,
    Plan,
    Reason,
    RedemptionFacts,
    SimulationFailure,
)
from livepeer_client.policy.redemption.states import diagram, view

__all__ = [
    "BROKER",
    "CONTRACT_BATCH_MAX",
    "PAUSED",
    "REFUSALS",
    "Action",
    "Alarm",
    "Alert",
    "BatchPlan",
    "DataFees",
    "Decision",
    "Explanation",
    "Plan",
    "Reason",
    "Redeemed",
    "RedemptionFacts",
    "RedemptionPolicy",
    "Refusal",
    "SimulationFailure",
    "Window",
    "accepted_share",
    "alarms_of",
    "batch_arguments",
    "batch_gas_limit",
    "call_of",
    "classify",
    "compact_arguments",
    "data_fees",
    "deadline_block",
    "diagram",
    "end_block",
    "eth",
    "explain",
    "failed_simulation",
    "gas_bound",
    "is_cheap",
    "is_urgent",
    "last_usable_round",
    "outcomes_of",
    "outlives_its_tickets",
    "own_gas",
    "plan",
    "ran_out_of_gas",
    "redeem_arguments",
    "redeemed_in",
    "replacement_ceiling",
    "representative_calls",
    "share_terms",
    "ticket_cost",
    "validity_end",
    "view",
    "window",
    "window_alarms",
]
