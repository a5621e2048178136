"""Calls, return values and events against figures published with the contracts."""

import pytest

from livepeer_client.adapters.chain.abi import ContractAbi, Event, Function, contract_id, load_abi
from livepeer_client.errors import InvalidInput, MalformedMessage

ALICE = bytes(range(20))


# Selectors and topics: offchain-payments 13 and 14; ids: onchain 1.
@pytest.mark.parametrize(
    ("function", "selector"),
    [
        ("redeemWinningTicket", "ec8b3cb6"),
        ("batchRedeemWinningTickets", "d01b808e"),
        ("usedTickets", "59a515ba"),
        ("getSenderInfo", "e1a589da"),
        ("claimableReserve", "81779f38"),
        ("claimedReserve", "4ac826da"),
        ("ticketValidityPeriod", "856a2cf8"),
        ("getTicketHash", "b03fa864"),
    ],
)
def test_function__of_the_ticket_broker__has_the_published_selector(function: str, selector: str) -> None:
    assert load_abi("TicketBroker").function(function).selector.hex() == selector


@pytest.mark.parametrize(
    ("event", "topic"),
    [
        ("WinningTicketTransfer", "8b87351a208c06e3ceee59d80725fd77a23b4129e1b51ca231fc89b40712649c"),
        ("WinningTicketRedeemed", "c389eb51ed006dbf2528507f010efdf5225ea596e1e1741d74f550dab1925ee7"),
        ("ReserveClaimed", "5c2b394723f408a40a60335e24b71829642e35f350cebe2036a96a66e895ea98"),
    ],
)
def test_event__of_the_ticket_broker__has_the_published_topic(event: str, topic: str) -> None:
    assert load_abi("TicketBroker").event(event).topic.hex() == topic


def test_contract_id__of_the_minter__is_the_published_id() -> None:
    assert contract_id("Minter").hex() == "6e58ad548d72b425ea94c15f453bf26caddb061d82b2551db7fdd3cefe0e9940"


def test_load_abi__of_a_name_not_shipped__is_refused() -> None:
    with pytest.raises(InvalidInput):
        load_abi("Nothing")


def test_encode__an_address__takes_its_20_bytes() -> None:
    data = load_abi("TicketBroker").function("getSenderInfo").encode([ALICE])
    assert data == bytes.fromhex("e1a589da") + bytes(12) + ALICE


@pytest.mark.parametrize("args", [[ALICE[:19]], [1], [], [ALICE, ALICE]])
def test_encode__arguments_that_do_not_fit__are_refused(args: list[object]) -> None:
    with pytest.raises(InvalidInput):
        load_abi("TicketBroker").function("getSenderInfo").encode(args)


def test_encode__a_negative_amount__is_refused() -> None:
    with pytest.raises(InvalidInput):
        load_abi("TicketBroker").function("fundDepositAndReserve").encode([-1, 0])


def test_decode__a_struct__gives_tuples() -> None:
    words = [1, 2, 3, 4]
    data = b"".join(word.to_bytes(32, "big") for word in words)
    assert load_abi("TicketBroker").function("getSenderInfo").decode(data) == ((1, 2), (3, 4))


def test_decode__an_address__gives_its_20_bytes() -> None:
    assert load_abi("Controller").function("getContract").decode(bytes(12) + ALICE) == (ALICE,)


def test_decode__nothing_where_a_value_is_promised__is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        load_abi("Controller").function("getContract").decode(b"")


def test_decode__a_string_that_is_not_utf8__is_malformed() -> None:
    data = (32).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\xff" + bytes(31)
    with pytest.raises(MalformedMessage):
        load_abi("ServiceRegistry").function("getServiceURI").decode(data)


def test_event_decode__indexed_and_plain_arguments__come_in_the_order_of_the_abi() -> None:
    event = load_abi("TicketBroker").event("WinningTicketTransfer")
    bob = bytes(20 * [7])
    args = event.decode([event.topic, bytes(12) + ALICE, bytes(12) + bob], (5).to_bytes(32, "big"))
    assert list(args.items()) == [("sender", ALICE), ("recipient", bob), ("amount", 5)]


def test_event_decode__an_indexed_string__gives_its_hash() -> None:
    event = Event({"name": "Named", "inputs": [{"name": "name", "type": "string", "indexed": True}]})
    assert event.decode([event.topic, bytes(32 * [9])], b"") == {"name": bytes(32 * [9])}


def test_event_decode__a_topic_too_few__is_malformed() -> None:
    event = load_abi("TicketBroker").event("WinningTicketTransfer")
    with pytest.raises(MalformedMessage):
        event.decode([event.topic, bytes(32)], bytes(32))


def test_function__overloaded__is_found_by_its_signature_only() -> None:
    entries = [
        {"type": "function", "name": "f", "inputs": [{"name": "a", "type": kind}], "outputs": []}
        for kind in ("uint256", "address")
    ]
    abi = ContractAbi("Test", entries)
    assert abi.function("f(address)").selector == Function(entries[1]).selector
    with pytest.raises(InvalidInput):
        abi.function("f")
