"""Transactions of EIP-1559 as bytes: eth-account signs and reads them.

eth-account takes a quarter of a second to import, so it is loaded at first use and in a thread.
"""

import asyncio
from importlib import import_module

from livepeer_client.codec.address import checksum_address, parse_address
from livepeer_client.errors import InvalidInput
from livepeer_client.facts import Fees, SignedTransaction, UnsignedTransaction
from livepeer_client.types import Address, Hash32, Wei

_TYPE: int = 2


def fields(transaction: UnsignedTransaction) -> dict[str, object]:
    """As eth-account names them."""
    return {
        "type": _TYPE,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "to": checksum_address(transaction.to),
        "value": int(transaction.value),
        "data": "0x" + transaction.data.hex(),
        "gas": transaction.gas_limit,
        "maxFeePerGas": int(transaction.fees.cap),
        "maxPriorityFeePerGas": int(transaction.fees.tip),
    }


async def sign(transaction: UnsignedTransaction, key: bytes) -> SignedTransaction:
    """Sign with a 32-byte private key."""
    account = (await asyncio.to_thread(import_module, "eth_account")).Account
    signed = account.sign_transaction(fields(transaction), key)
    return SignedTransaction(bytes(signed.raw_transaction), Hash32(bytes(signed.hash)), transaction.nonce)


async def unsigned(raw: bytes) -> UnsignedTransaction:
    """What a signed transaction says.

    :raises InvalidInput: not a transaction of EIP-1559, or one with an access list or without a recipient.
    """
    module = await asyncio.to_thread(import_module, "eth_account.typed_transactions")
    hexbytes = await asyncio.to_thread(import_module, "hexbytes")
    if not raw or raw[0] != _TYPE:
        raise InvalidInput("not a transaction of type 2")
    try:
        # What rlp and eth-account raise for bad bytes has no base of its own.
        found = module.TypedTransaction.from_bytes(hexbytes.HexBytes(raw)).as_dict()
    except Exception as error:
        raise InvalidInput(f"not a transaction of type 2: {type(error).__name__}") from error
    if found["accessList"] or not found["to"]:
        raise InvalidInput("a transaction with an access list or without a recipient is none of ours")
    return UnsignedTransaction(
        chain_id=int(found["chainId"]),
        nonce=int(found["nonce"]),
        to=Address(bytes(found["to"])),
        value=Wei(int(found["value"])),
        data=bytes(found["data"]),
        gas_limit=int(found["gas"]),
        fees=Fees(cap=Wei(int(found["maxFeePerGas"])), tip=Wei(int(found["maxPriorityFeePerGas"]))),
    )


async def sender_of(raw: bytes) -> Address:
    """Who signed a transaction.

    :raises InvalidInput: nobody, or it is none.
    """
    account = (await asyncio.to_thread(import_module, "eth_account")).Account
    try:
        return parse_address(account.recover_transaction(raw))
    except Exception as error:
        raise InvalidInput(f"not a signed transaction: {type(error).__name__}") from error
