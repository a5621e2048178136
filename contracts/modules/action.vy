# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Bounds of what governance can decide upon
@license MIT
@notice One place for how long proposals, updates and answers may be, since Vyper needs a bound for each. Calldata beyond
        a bound reverts without a reason, before any code runs.
@dev A larger bound costs memory with every call, used or not: these take a proposal about 150,000 gas.
"""


# Calls in one proposal, update or timelock batch.
MAX_ACTIONS: constant(uint256) = 16
# Bytes of one call.
MAX_CALLDATA: constant(uint256) = 4096
# Bytes of a proposal's text.
MAX_DESCRIPTION: constant(uint256) = 32768
# Bytes of the reason given with a vote, and of its params.
MAX_REASON: constant(uint256) = 4096
MAX_PARAMS: constant(uint256) = 1024
# Bytes of a failed call's answer that are passed on; longer ones are cut.
MAX_FAILURE: constant(uint256) = 1024
# Proposers and executors named when the treasury is set up.
MAX_HOLDERS: constant(uint256) = 16
# Tokens sent along in one ERC-1155 transfer.
MAX_TOKENS: constant(uint256) = 64
