"""A selection told to people."""

from livepeer_client.policy.discovery import suspend
from livepeer_client.policy.explaining import explained, rows_of
from livepeer_client.policy.selection import Criteria, select
from tests.client.policy.test_selection import address, make_offer


def test_explained__a_market__says_of_everybody_weights_or_reason() -> None:
    suspensions = suspend({}, address(3), now_s=0, for_s=30, cause="no answer")
    offers = [make_offer(1, stake=3 * 10**18), make_offer(2, stake=10**18), make_offer(3, stake=5)]
    lines = explained(select(offers, [], Criteria(now_s=0, suspensions=suspensions), 0.9)).splitlines()
    assert lines[0].split()[:3] == ["verdict", "orchestrator", "price/px"]
    eligible, chosen, rejected = (line.split() for line in lines[1:])
    assert eligible[:6] == ["eligible", "https://o1.example:8935", "10", "100", "ms", "3"]
    assert "67.5%" in eligible
    assert chosen[0] == "chosen"
    assert " ".join(chosen[-3:]) == "drawn at 0.900"
    assert " ".join(rejected).endswith("suspended (for 30 s, cause no answer)")


def test_explained__nobody__says_so() -> None:
    selection = select([], [], Criteria(now_s=0), 0.0)
    assert rows_of(selection) == []
    assert explained(selection).splitlines()[-1] == "nobody is chosen"
