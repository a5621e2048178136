"""Messages of `net.TicketRedeemer` (offchain-payments 11.4)."""

from google.protobuf.message import DecodeError

from livepeer_client.codec.proto import net_pb2
from livepeer_client.codec.ticket import Ticket, WinningTicket
from livepeer_client.codec.widths import minimal_bytes, read_address, read_hash, read_hash_or_zero, read_uint
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import Address, BlockNumber, Round, Signature, Wei, WinProb


def encode_ticket(winner: WinningTicket) -> bytes:
    """`net.Ticket`. The seed of its quote stays at home: the recipientRand says all that redemption takes."""
    ticket = winner.ticket
    try:
        message = net_pb2.Ticket(
            ticket_params=net_pb2.TicketParams(
                recipient=ticket.recipient,
                face_value=minimal_bytes(ticket.face_value),
                win_prob=minimal_bytes(ticket.win_prob),
                recipient_rand_hash=ticket.recipient_rand_hash,
                expiration_block=minimal_bytes(winner.params_expiration_block),
            ),
            sender=ticket.sender,
            expiration_params=net_pb2.TicketExpirationParams(
                creation_round=ticket.creation_round, creation_round_block_hash=ticket.creation_round_block_hash
            ),
            sender_params=net_pb2.TicketSenderParams(sender_nonce=ticket.sender_nonce, sig=winner.sig),
            recipient_rand=minimal_bytes(winner.recipient_rand),
        )
    except ValueError as error:
        # protobuf's own range checks
        raise InvalidInput(f"net.Ticket: {error}") from error
    return message.SerializeToString()


def decode_ticket(data: bytes) -> WinningTicket:
    """:raises MalformedMessage: not a whole ticket, or a field of a wrong width."""
    message = net_pb2.Ticket()
    try:
        message.ParseFromString(data)
        params, expiration = message.ticket_params, message.expiration_params
        ticket = Ticket(
            recipient=read_address(params.recipient, "recipient"),
            sender=read_address(message.sender, "sender"),
            face_value=Wei(read_uint(params.face_value, "face_value")),
            win_prob=WinProb(read_uint(params.win_prob, "win_prob")),
            sender_nonce=message.sender_params.sender_nonce,
            recipient_rand_hash=read_hash(params.recipient_rand_hash, "recipient_rand_hash"),
            creation_round=Round(expiration.creation_round),
            creation_round_block_hash=read_hash_or_zero(
                expiration.creation_round_block_hash, "creation_round_block_hash"
            ),
        )
        return WinningTicket(
            ticket=ticket,
            sig=Signature(message.sender_params.sig),
            recipient_rand=read_uint(message.recipient_rand, "recipient_rand"),
            params_expiration_block=BlockNumber(read_uint(params.expiration_block, "expiration_block")),
        )
    except DecodeError as error:
        raise MalformedMessage("net.Ticket", "protobuf unmarshal error") from error
    except InvalidInput as error:
        raise MalformedMessage("net.Ticket", str(error)) from error


def encode_max_float_request(sender: Address) -> bytes:
    return net_pb2.MaxFloatReq(sender=sender).SerializeToString()


def decode_max_float_request(data: bytes) -> Address:
    """:raises MalformedMessage: not 20 bytes of address."""
    message = net_pb2.MaxFloatReq()
    try:
        message.ParseFromString(data)
        return read_address(message.sender, "sender")
    except DecodeError as error:
        raise MalformedMessage("net.MaxFloatReq", "protobuf unmarshal error") from error
    except InvalidInput as error:
        raise MalformedMessage("net.MaxFloatReq", str(error)) from error


def encode_max_float(value: int) -> bytes:
    """A float of zero or less is nothing: the wire has no sign, and the reference sends -5 as 5."""
    return net_pb2.MaxFloatUpdate(max_float=minimal_bytes(max(0, value))).SerializeToString()


def decode_max_float(data: bytes) -> Wei:
    """:raises MalformedMessage: more than 256 bits, or not a message at all."""
    message = net_pb2.MaxFloatUpdate()
    try:
        message.ParseFromString(data)
        return Wei(read_uint(message.max_float, "max_float"))
    except DecodeError as error:
        raise MalformedMessage("net.MaxFloatUpdate", "protobuf unmarshal error") from error
    except InvalidInput as error:
        raise MalformedMessage("net.MaxFloatUpdate", str(error)) from error
