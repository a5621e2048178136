"""Every figure of every outcome has its unit, so that no command prints LPT as ETH or as a bare number."""

import dataclasses
import inspect
import json
import typing

import pytest

from livepeer_client.cli.output import Output
from livepeer_client.cli.results import ETH_FIELDS, ID_FIELDS, LPT_FIELDS, PLAIN_FIELDS, PPM_FIELDS, show
from livepeer_client.policy import governance, outcomes
from livepeer_client.policy.outcomes import Approved
from livepeer_client.services.calls import Result
from livepeer_client.types import Address, Wei

INTEGERS = {"int", "Wei", "Round", "BlockNumber"}


def figures() -> dict[str, set[str]]:
    """Integer fields of all outcomes, by the outcome's name."""
    found = {}
    for module in (outcomes, governance):
        for name, kind in inspect.getmembers(module, dataclasses.is_dataclass):
            if kind.__module__ == module.__name__ and name != "PollTally":
                hints = typing.get_type_hints(kind)
                found[name] = {
                    field.name
                    for field in dataclasses.fields(kind)
                    if getattr(hints[field.name], "__name__", "") in INTEGERS
                }
    return found


def test_outcomes__their_figures__are_each_of_one_known_kind() -> None:
    kinds = (ETH_FIELDS, LPT_FIELDS, PPM_FIELDS, PLAIN_FIELDS, ID_FIELDS, frozenset({"amount"}))
    named = [name for names in figures().values() for name in names]
    assert len(named) > 20
    assert {name: sum(name in kind for kind in kinds) for name in named} == dict.fromkeys(named, 1)


def test_outcomes__wei_of_the_library__are_eth_of_the_command_line() -> None:
    wei = set()
    for module in (outcomes, governance):
        for _, kind in inspect.getmembers(module, dataclasses.is_dataclass):
            hints = typing.get_type_hints(kind) if kind.__module__ == module.__name__ else {}
            wei |= {name for name, hint in hints.items() if getattr(hint, "__name__", "") == "Wei"}
    assert wei - {"amount"} == ETH_FIELDS


def test_show__a_call_that_could_not_be_tried__has_the_same_keys_and_says_what_comes_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    approved = Result(Approved(Address(bytes(20)), Address(bytes(20)), 5), 30_000, Wei(7), None)
    show(Output(as_json=True), None, {"approve": approved})
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] is None
    assert set(told) == {*told["before"]["approve"], "before"}
    show(Output(as_json=False), None, {"approve": approved})
    assert "cannot be tried before: approve" in capsys.readouterr().out
