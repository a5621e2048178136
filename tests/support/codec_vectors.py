"""What each codec vector claims, asserted against the library."""

import base64
from fractions import Fraction
from math import floor

import eth_abi
import pytest

from livepeer_client.codec import ticket as tickets
from livepeer_client.codec.address import parse_address
from livepeer_client.codec.credentials import new_auth_token, segment_digest, segment_message
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import Payment, VideoProfile
from livepeer_client.codec.signature import is_signed_by, personal_hash, recover_personal
from livepeer_client.codec.ticket import Ticket
from livepeer_client.codec.wire import encode_payment, payment_from_header
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import MAX_WIN_PROB, ZERO_HASH, Hash32, Round, Wei, WinProb
from tests.support.payments import GATEWAY, PRICE
from tests.support.vectors import Check, Entry, Excluded, from_hex

TICKET_TYPES = "(address,address,uint256,uint256,uint256,bytes32,bytes)"


def _ticket(fields: Entry) -> Ticket:
    return Ticket(
        recipient=parse_address(fields["recipient"]),
        sender=parse_address(fields["sender"]),
        face_value=Wei(int(fields["faceValue"])),
        win_prob=WinProb(int(fields["winProb"])),
        sender_nonce=fields["senderNonce"],
        recipient_rand_hash=Hash32(from_hex(fields["recipientRandHash"])),
        creation_round=Round(fields["creationRound"]),
        creation_round_block_hash=Hash32(from_hex(fields["creationRoundBlockHash"])),
    )


def check_ticket_hash(entry: Entry) -> None:
    assert tickets.ticket_hash(_ticket(entry["input"])) == from_hex(entry["ticketHash"])


def check_aux_data(entry: Entry) -> None:
    block_hash = Hash32(from_hex(entry["creationRoundBlockHash"]) or ZERO_HASH)
    assert tickets.aux_data(Round(entry["creationRound"]), block_hash) == from_hex(entry["auxData"])


def check_ticket_ev(entry: Entry) -> None:
    value = tickets.expected_value(Wei(int(entry["faceValue"])), WinProb(int(entry["winProb"])))
    assert floor(value + Fraction(1, 2)) == int(entry["evRounded0"])


def check_win_prob_rat(entry: Entry) -> None:
    scale = 10 ** entry["decimals"]
    probability = Fraction(int(entry["winProb"]), MAX_WIN_PROB)
    assert Fraction(floor(probability * scale + Fraction(1, 2)), scale) == Fraction(entry["expected"])


def check_signature_verify(entry: Entry) -> None:
    address, sig, message = (from_hex(entry[key]) for key in ("address", "sig", "message"))
    if len(message) != 32:
        with pytest.raises(InvalidInput):
            is_signed_by(address, sig, message)
        return
    assert is_signed_by(address, sig, message) is entry["valid"]
    if "recoversTo" in entry:
        assert recover_personal(sig, message) == from_hex(entry["recoversTo"])


def check_redeem_calldata(entry: Entry) -> None:
    if entry["method"] == "fundDepositAndReserve":
        amounts = [int(entry["args"][key]) for key in ("depositAmount", "reserveAmount")]
        arguments = eth_abi.encode(["uint256", "uint256"], amounts)
        assert keccak256(b"fundDepositAndReserve(uint256,uint256)")[:4] + arguments == from_hex(entry["calldata"])
        return
    ticket, sig, rand = _ticket(entry["ticket"]), from_hex(entry["sig"]), int(entry["recipientRand"])
    aux_data = tickets.aux_data(ticket.creation_round, ticket.creation_round_block_hash)
    fields = (ticket.recipient, ticket.sender, ticket.face_value, ticket.win_prob, ticket.sender_nonce)
    arguments = eth_abi.encode(
        [TICKET_TYPES, "bytes", "uint256"], [(*fields, ticket.recipient_rand_hash, aux_data), sig, rand]
    )
    selector = keccak256(f"redeemWinningTicket({TICKET_TYPES},bytes,uint256)".encode())[:4]
    assert selector == from_hex(entry["selector"])
    assert selector + arguments == from_hex(entry["calldata"])
    checked = entry["checked"]
    assert ticket.hash == from_hex(checked["ticketHash"])
    assert personal_hash(ticket.hash) == from_hex(checked["eip191Digest"])
    assert (tickets.recipient_rand_hash(rand) == ticket.recipient_rand_hash) is checked["recipientRandMatchesHash"]
    assert is_signed_by(ticket.sender, sig, ticket.hash) is checked["signerIsSender"]
    assert tickets.is_winning(sig, rand, ticket.win_prob) is checked["wins"]
    assert int.from_bytes(keccak256(sig + rand.to_bytes(32, "big")), "big") == int(checked["winDigest"])


def check_win_check(entry: Entry) -> None:
    won = tickets.is_winning(from_hex(entry["sig"]), int(entry["recipientRand"]), int(entry["winProb"]))
    assert won is entry["wins"]


def check_segment_creds_hash(entry: Entry) -> None:
    profiles = [VideoProfile(name, 16, 16, 0) for name in entry["profileNames"]]
    arguments = (entry["manifestId"].encode(), entry["seq"], from_hex(entry["dataHash"]), profiles)
    assert segment_message(*arguments) == from_hex(entry["preimage"])
    assert segment_digest(*arguments) == from_hex(entry["keccak"])


def check_auth_token(entry: Entry) -> None:
    assert "HMAC-SHA256" in entry["name"]
    key = b"k" * 32
    token = new_auth_token(key, "deadbeef", 1_000)
    assert token == new_auth_token(key, "deadbeef", 1_000)
    for changed in (
        new_auth_token(b"o" * 32, "deadbeef", 1_000),
        new_auth_token(key, "deadbee0", 1_000),
        new_auth_token(key, "deadbeef", 1_001),
    ):
        assert changed.token != token.token


def check_payment_header(entry: Entry) -> None:
    if entry.get("result"):
        assert payment_from_header(entry["header"]) == Payment(None, b"", None, (), None)
    elif entry.get("name"):
        ticketless = Payment(None, GATEWAY, None, (), PRICE)
        # Field 2 (sender, 20 bytes) and field 5 (price, 7 wei for 2 pixels), nothing else.
        assert encode_payment(ticketless) == b"\x12\x14" + GATEWAY + b"\x2a\x04\x08\x07\x10\x02"
    else:
        noise = base64.b64encode(b"\xff" * 123).decode()
        header = noise if entry["header"].startswith("base64 of") else entry["header"]
        with pytest.raises(MalformedMessage) as refusal:
            payment_from_header(header)
        assert entry["errorContains"] in refusal.value.detail


CHECKS: dict[str, Check] = {
    "ticket_hash": check_ticket_hash,
    "aux_data": check_aux_data,
    "ticket_ev": check_ticket_ev,
    "win_prob_rat": check_win_prob_rat,
    "signature_verify": check_signature_verify,
    "redeem_calldata": check_redeem_calldata,
    "win_check": check_win_check,
    "segment_creds_hash": check_segment_creds_hash,
    "auth_token": check_auth_token,
    "payment_header": check_payment_header,
}

EXCLUDED: Excluded = {}
