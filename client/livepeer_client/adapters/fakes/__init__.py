"""Stand-ins for everything outside, shipped for tests, simulations and examples of users' own code.

Each keeps the promises of its port; the stores pass the same contract tests as the ones on disk. Facts are plain
attributes to be set, failures are injected as exceptions, and nothing sleeps, listens or writes.
"""

from livepeer_client.adapters.fakes.books import MemoryGatewayBooks
from livepeer_client.adapters.fakes.chain import FakeChain
from livepeer_client.adapters.fakes.clock import ManualClock
from livepeer_client.adapters.fakes.journal import MemoryTransactionJournal
from livepeer_client.adapters.fakes.media import FakeProbe, FakeSegments, FakeTranscoder, fake_segment
from livepeer_client.adapters.fakes.peers import FakeOrchestratorProbe, FakeSubmission, FakeTransport
from livepeer_client.adapters.fakes.stores import MemoryTicketStore
from livepeer_client.adapters.fakes.transactor import FakeCall, FakeTransactor

__all__ = [
    "FakeCall",
    "FakeChain",
    "FakeOrchestratorProbe",
    "FakeProbe",
    "FakeSegments",
    "FakeSubmission",
    "FakeTransactor",
    "FakeTranscoder",
    "FakeTransport",
    "ManualClock",
    "MemoryGatewayBooks",
    "MemoryTicketStore",
    "MemoryTransactionJournal",
    "fake_segment",
]
