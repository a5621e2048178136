"""Senders that take their money back, and oneself."""

from livepeer_client.adapters.fakes import FakeChain
from livepeer_client.facts import SenderInfo
from livepeer_client.services.chain_cache import SenderUnlocked
from livepeer_client.services.unlocks import OwnUnlock, UnlockWatch, own_unlock
from livepeer_client.types import Address, Round, Wei

ME, A, B = (Address(bytes([number]) * 20) for number in (1, 2, 3))


def test_urgent__several_unlocking__come_from_the_most_urgent_on_until_passed() -> None:
    watch = UnlockWatch()
    for event in (SenderUnlocked(A, Round(105)), SenderUnlocked(B, Round(103)), SenderUnlocked(A, Round(105))):
        watch(event)
    assert list(watch.urgent(Round(100)).items()) == [(B, 103), (A, 105)]
    assert watch.urgent(Round(103)) == {A: 105}
    assert watch.urgent(Round(105)) == {}


async def test_own_unlock__through_its_rounds__becomes_due() -> None:
    chain = FakeChain(first_round=100)
    assert await own_unlock(chain, ME) is None
    chain.senders[ME] = SenderInfo(Wei(5), Round(102), Wei(0), Wei(0))
    found = await own_unlock(chain, ME)
    assert found == OwnUnlock(Round(102), 2)
    assert not found.due
    chain.mine_to_next_round()
    chain.mine_to_next_round()
    found = await own_unlock(chain, ME)
    assert found is not None
    assert found.due
    chain.senders[ME] = SenderInfo(Wei(0), Round(102), Wei(0), Wei(0))
    assert await own_unlock(chain, ME) is None
