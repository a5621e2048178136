"""What an operator's board shows: facts in, rows out. No clock, no colours, no terminal."""

from livepeer_client.policy.board.events import Event, changes
from livepeer_client.policy.board.facts import BoardFacts, Market, Peer
from livepeer_client.policy.board.gas import GasView, Group, break_even, gas_view
from livepeer_client.policy.board.rows import (
    DECISIONS,
    Line,
    PeerRow,
    Tone,
    WinnerRow,
    gas_lines,
    peer_rows,
    round_lines,
    winner_lines,
    winner_rows,
)

__all__ = [
    "DECISIONS",
    "BoardFacts",
    "Event",
    "GasView",
    "Group",
    "Line",
    "Market",
    "Peer",
    "PeerRow",
    "Tone",
    "WinnerRow",
    "break_even",
    "changes",
    "gas_lines",
    "gas_view",
    "peer_rows",
    "round_lines",
    "winner_lines",
    "winner_rows",
]
