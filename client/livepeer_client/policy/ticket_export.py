"""Tickets and their batches as a JSON document, to move them from one store to another or to keep them elsewhere.

    {"format": "livepeer-tickets", "version": 1, "tickets": [...], "batches": [...]}

Bytes are `0x` hex of their full width. Integers are decimal strings, so that no reader rounds them, except small ones:
rounds, nonces, block numbers. Times are Unix seconds. `docs/stores.md` lists the fields.

Reading verifies what can be verified without a chain: each ticket's hash, its sender's signature, the commitment of its
recipientRand, and that it won. One that fails makes the whole document invalid.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from livepeer_client.codec.signature import is_signed_by
from livepeer_client.codec.ticket import Ticket, WinningTicket, is_winning, recipient_rand_hash
from livepeer_client.errors import InvalidInput, MalformedMessage, StoreError
from livepeer_client.facts import (
    BatchState,
    BlockRef,
    Calldata,
    RedemptionBatch,
    SignedTransaction,
    StoredBatch,
    StoredTicket,
    TicketOutcome,
    TicketState,
)
from livepeer_client.policy import ticket_states
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Signature, Wei, WinProb

T = TypeVar("T")
FORMAT: Final = "livepeer-tickets"
VERSION: Final = 1
_WHAT: Final = "ticket export"


def write_document(tickets: Sequence[StoredTicket], batches: Sequence[StoredBatch]) -> str:
    """The document; the same input gives the same text."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "tickets": [_ticket_fields(ticket) for ticket in tickets],
        "batches": [_batch_fields(batch) for batch in batches],
    }
    return json.dumps(document, indent=1)


def read_document(text: str) -> tuple[list[StoredTicket], list[StoredBatch]]:
    """What a document holds, verified.

    :raises MalformedMessage: not such a document, of a newer version, or a ticket or batch that does not hold; the
        message names it by its place.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(_WHAT, f"not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MalformedMessage(_WHAT, f'its format is not "{FORMAT}"')
    version = document.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise MalformedMessage(_WHAT, f"version {version!r}, known up to {VERSION}")
    return _each(document, "tickets", _read_ticket), _each(document, "batches", _read_batch)


def _each(document: Mapping[str, Any], name: str, read: Callable[["_Fields"], T]) -> list[T]:
    entries = document.get(name)
    if not isinstance(entries, list):
        raise MalformedMessage(_WHAT, f"`{name}` is not a list")
    found = []
    for place, entry in enumerate(entries):
        try:
            found.append(read(_Fields(entry)))
        except (ValueError, InvalidInput, StoreError) as error:
            raise MalformedMessage(_WHAT, f"{name}[{place}]: {error}") from error
    return found


class _Fields:
    """The members of one object, each of its type. Raises ValueError."""

    def __init__(self, entry: object) -> None:
        if not isinstance(entry, dict):
            raise ValueError("not an object")
        self._entry: Mapping[str, object] = entry

    def text(self, name: str) -> str:
        value = self._entry.get(name)
        if not isinstance(value, str):
            raise ValueError(f"`{name}` is not text")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self._entry.get(name) is None else self.text(name)

    def data(self, name: str, width: int | None = None) -> bytes:
        text = self.text(name)
        if not text.startswith("0x"):
            raise ValueError(f"`{name}` does not start with 0x")
        value = bytes.fromhex(text[2:])
        if width is not None and len(value) != width:
            raise ValueError(f"`{name}` is {len(value)} bytes, not {width}")
        return value

    def optional_hash(self, name: str) -> Hash32 | None:
        return None if self._entry.get(name) is None else Hash32(self.data(name, 32))

    def big(self, name: str) -> int:
        text = self.text(name)
        # 78 digits hold a uint256; `isdecimal` alone would let other scripts' digits in.
        if not (text.isascii() and text.isdecimal() and len(text) <= 78):
            raise ValueError(f"`{name}` is not a decimal integer")
        return int(text)

    def small(self, name: str) -> int:
        value = self._entry.get(name)
        if type(value) is not int or not 0 <= value < 2**63:
            raise ValueError(f"`{name}` is not an integer of 63 bits")
        return value

    def seconds(self, name: str) -> float:
        value = self._entry.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"`{name}` is not a number")
        return float(value)

    def objects(self, name: str) -> list["_Fields"]:
        value = self._entry.get(name)
        if not isinstance(value, list):
            raise ValueError(f"`{name}` is not a list")
        return [_Fields(entry) for entry in value]


# --- tickets --------------------------------------------------------------------------------------


def _ticket_fields(stored: StoredTicket) -> dict[str, object]:
    winner = stored.winner
    ticket = winner.ticket
    return {
        "hash": _hex(stored.hash),
        "recipient": _hex(ticket.recipient),
        "sender": _hex(ticket.sender),
        "faceValue": str(ticket.face_value),
        "winProb": str(ticket.win_prob),
        "senderNonce": ticket.sender_nonce,
        "recipientRandHash": _hex(ticket.recipient_rand_hash),
        "creationRound": ticket.creation_round,
        "creationRoundBlockHash": _hex(ticket.creation_round_block_hash),
        "sig": _hex(winner.sig),
        "recipientRand": str(winner.recipient_rand),
        "paramsExpirationBlock": str(winner.params_expiration_block),
        "state": stored.state.value,
        "paid": str(stored.paid),
        "txHash": None if stored.tx_hash is None else _hex(stored.tx_hash),
        "reason": stored.reason,
        "hold": stored.hold,
        "batch": None if stored.batch is None else _hex(stored.batch),
        "receivedAt": stored.received_at,
    }


def _read_ticket(fields: _Fields) -> StoredTicket:
    ticket = Ticket(
        recipient=Address(fields.data("recipient", 20)),
        sender=Address(fields.data("sender", 20)),
        face_value=Wei(fields.big("faceValue")),
        win_prob=WinProb(fields.big("winProb")),
        sender_nonce=fields.small("senderNonce"),
        recipient_rand_hash=Hash32(fields.data("recipientRandHash", 32)),
        creation_round=Round(fields.small("creationRound")),
        creation_round_block_hash=Hash32(fields.data("creationRoundBlockHash", 32)),
    )
    rand, sig = fields.big("recipientRand"), Signature(fields.data("sig", 65))
    winner = WinningTicket(ticket, sig, rand, BlockNumber(fields.big("paramsExpirationBlock")))
    if fields.data("hash", 32) != ticket.hash:
        raise ValueError(f"its hash is 0x{ticket.hash.hex()}")
    if recipient_rand_hash(rand) != ticket.recipient_rand_hash:
        raise ValueError("recipientRand does not match recipientRandHash")
    if not is_signed_by(ticket.sender, sig, ticket.hash):
        raise ValueError("the signature is not its sender's")
    if not is_winning(sig, rand, ticket.win_prob):
        raise ValueError("it did not win")
    state = TicketState(fields.text("state"))
    ticket_states.check_states([state])
    return StoredTicket(
        winner=winner,
        hash=ticket.hash,
        state=state,
        paid=Wei(fields.big("paid")),
        tx_hash=fields.optional_hash("txHash"),
        reason=fields.text("reason"),
        hold=fields.optional_text("hold"),
        batch=fields.optional_hash("batch"),
        received_at=fields.seconds("receivedAt"),
    )


# --- batches --------------------------------------------------------------------------------------


def _batch_fields(stored: StoredBatch) -> dict[str, object]:
    batch = stored.batch
    return {
        "id": _hex(batch.id),
        "key": _hex(batch.key),
        "nonce": batch.nonce,
        "calldata": batch.calldata.value,
        "tickets": [{"hash": _hex(hash_)} for hash_ in batch.tickets],
        "transactions": [{"hash": _hex(each.tx_hash), "raw": _hex(each.raw)} for each in batch.transactions],
        "state": stored.state.value,
        "mined": None if stored.mined is None else _hex(stored.mined),
        "block": None if stored.block is None else _hex(stored.block.hash),
        "blockNumber": 0 if stored.block is None else stored.block.number,
        "outcomes": [
            {"hash": _hex(each.hash), "state": each.state.value, "paid": str(each.paid), "reason": each.reason}
            for each in stored.outcomes
        ],
        "beganAt": stored.began_at,
    }


def _read_batch(fields: _Fields) -> StoredBatch:
    nonce = fields.small("nonce")
    batch = RedemptionBatch(
        key=Address(fields.data("key", 20)),
        nonce=nonce,
        tickets=tuple(Hash32(each.data("hash", 32)) for each in fields.objects("tickets")),
        calldata=Calldata(fields.text("calldata")),
        transactions=tuple(
            SignedTransaction(each.data("raw"), Hash32(each.data("hash", 32)), nonce)
            for each in fields.objects("transactions")
        ),
    )
    ticket_states.check_batch(batch)
    if fields.data("id", 32) != batch.id:
        raise ValueError(f"its id is 0x{batch.id.hex()}")
    mined, block_hash = fields.optional_hash("mined"), fields.optional_hash("block")
    state = BatchState(fields.text("state"))
    outcomes = tuple(_read_outcome(each, mined) for each in fields.objects("outcomes"))
    ticket_states.check_outcomes(outcomes)
    ticket_states.refuse_strangers(batch.id, {outcome.hash for outcome in outcomes}, batch.tickets)
    if mined is not None and all(each.tx_hash != mined for each in batch.transactions):
        raise ValueError("`mined` is none of its transactions")
    if (state is BatchState.OPEN) and (mined is not None or block_hash is not None or outcomes):
        raise ValueError("it is open and has outcomes")
    return StoredBatch(
        batch=batch,
        state=state,
        mined=mined,
        block=None if block_hash is None else BlockRef(fields.small("blockNumber"), block_hash),
        outcomes=outcomes,
        began_at=fields.seconds("beganAt"),
    )


def _read_outcome(fields: _Fields, mined: Hash32 | None) -> TicketOutcome:
    state = TicketState(fields.text("state"))
    return TicketOutcome(
        hash=Hash32(fields.data("hash", 32)),
        state=state,
        paid=Wei(fields.big("paid")),
        tx_hash=mined if state in ticket_states.REDEEMED else None,
        reason=fields.text("reason"),
    )


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
