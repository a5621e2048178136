"""Settings files to start from: what has to be set, and what else can be, with its default."""

from typing import Final

_CHAIN: Final = """\
# Paths are relative to this file. Every value can also come from the environment, as LIVEPEER_CHAIN_RPC_URL for
# rpc_url of [chain], or from a flag, as --set chain.rpc_url=...; `livepeer-client config check` says what came from
# where.

[chain]
rpc_url = "http://127.0.0.1:8545"
# What the deployment wrote: chain_id, controller, contracts.
addresses = "addresses.json"
# fallback_rpc_urls = []
# poll_interval_s = 5
# Nothing new is sent while the base fee is above this, in wei; 0 for no limit.
# max_base_fee_wei = 0
# max_fee_per_gas_wei = 0

[key]
# A keystore, or 64 hex digits; readable by you alone (chmod 600). A keystore's password is in a file of its own.
file = "key"
# password_file = "password"
# Or an account of a Web3Signer, instead of `file`:
# signer_url = "http://127.0.0.1:9000"
# address = "0x..."
"""

TEMPLATES: Final = {
    "orchestrator": _CHAIN
    + """
[orchestrator]
service_uri = "https://orchestrator.example:8935"
listen = "0.0.0.0:8935"
data_dir = "data"
# Wei for pixels_per_unit pixels.
price_per_unit = 1000
# pixels_per_unit = 1
# "auto" for as many as there is capacity for.
# max_sessions = 10
# expiration_blocks = 40
# The three that follow decide which tickets gateways are asked for, and so whether they pay at all: beside the price
# they make the quote. `livepeer-client gateway explain` says why a gateway refuses one.
# What a ticket is worth on average, in wei. A payment takes price * pixels / ticket_ev_wei tickets, at most 600: raise
# it with the price, or a segment cannot be paid for. A gateway refuses more than its max_ticket_ev_wei (3000000000000).
# ticket_ev_wei = 8000000000
# The gas that redeeming one ticket is reckoned to take; 100 times that (tx_cost_multiplier) at the present gas price is
# what a ticket wins, its face value. In a batch redeeming takes less: a lower figure makes smaller wins, more often.
# redeem_gas = 1200000
# The most that a ticket may win, in wei; 0 for no limit. It must exceed ticket_ev_wei, and what redeeming costs. A
# gateway refuses a face value above its deposit (divided by its deposit_multiplier).
# max_face_value_wei = 0

[redemption]
# enabled = true
# Wei per gas; 0 for no limit. The second holds for tickets that are about to expire.
# max_gas_price_wei = 0
# urgent_max_gas_price_wei = 0

[rounds]
# initialize = false

[reward]
# enabled = true
""",
    "redeemer": _CHAIN
    + """
[redeemer]
recipient = "0x0000000000000000000000000000000000000001"
listen = "127.0.0.1:8945"
data_dir = "data"
token_file = "token"
""",
    "signer": _CHAIN
    + """
[signer]
listen = "127.0.0.1:8955"
data_dir = "data"
# webhook_url = "https://auth.example/signer"
# session_limit_wei = 0
""",
    "gateway": _CHAIN
    + """
[gateway]
data_dir = "data"
# The most that is paid: wei for pixels_per_unit pixels.
max_price_per_unit = 2000
# pixels_per_unit = 1
# max_ticket_ev_wei = 3000000000000
# deposit_multiplier = 1

# For `gateway serve`, which takes segments over HTTP:
# [ingest]
# listen = "127.0.0.1:8936"
# presets = ["P240p30fps16x9", "P360p30fps16x9"]
# webhook_url = "https://..."
""",
    "transcoder": """\
# Paths are relative to this file. The secret is the orchestrator's; readable by you alone (chmod 600).

[transcoder]
orchestrator = "https://orchestrator.example:8935"
secret_file = "secret"
# capacity = 2
# threads = 2
# preset = "veryfast"
""",
}
