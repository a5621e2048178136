"""One table per class of work: which steps a job takes, and what follows each way in which it can fail.

    table.py     what a table is, and a job's progress through it
    tables.py    TRANSCODING, AI, LIVE, BYOC and BYOC_STREAM
    causes.py    what an error says about whose fault it is

Code asks the tables, tests walk them, and the diagrams in docs/ are drawn from them (`make diagrams`).
"""

from livepeer_client.policy.workloads.causes import OutOfResources, cause_of
from livepeer_client.policy.workloads.table import Cause, Hold, Limits, Move, Phase, Progress, Reaction, Step, Table
from livepeer_client.policy.workloads.tables import AI, BYOC, BYOC_STREAM, LIVE, TABLES, TRANSCODING

__all__ = [
    "AI",
    "BYOC",
    "BYOC_STREAM",
    "LIVE",
    "TABLES",
    "TRANSCODING",
    "Cause",
    "Hold",
    "Limits",
    "Move",
    "OutOfResources",
    "Phase",
    "Progress",
    "Reaction",
    "Step",
    "Table",
    "cause_of",
]
