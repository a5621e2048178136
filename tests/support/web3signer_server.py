"""A server of Web3Signer's documented JSON-RPC, made for the tests: no Web3Signer runs here.

`eth_accounts`, `eth_sign` (the message with the prefix of EIP-191) and `eth_signTransaction` behave as documented;
`spoil` lets an answer be changed.
"""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from eth_account import Account
from eth_account.messages import encode_defunct


class Web3SignerServer:
    def __init__(self, key: bytes, chain_id: int, *, token: str | None = None) -> None:
        self.account = Account.from_key(key)
        self.chain_id = chain_id
        self.token = token
        self.spoil: Callable[[str, Any], Any] = lambda method, result: result
        self.methods: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="Unauthorized")
        call = json.loads(await request.read())
        self.methods.append(call["method"])
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            result = getattr(self, f"_{call['method']}")(*call["params"])
        except (AttributeError, KeyError, ValueError) as error:
            return web.json_response({**reply, "error": {"code": -32000, "message": str(error)}}, status=400)
        return web.json_response({**reply, "result": self.spoil(call["method"], result)})

    def _eth_accounts(self) -> list[str]:
        return [self.account.address.lower()]

    def _eth_sign(self, address: str, data: str) -> str:
        self._check(address)
        return "0x" + bytes(self.account.sign_message(encode_defunct(hexstr=data)).signature).hex()

    def _eth_signTransaction(self, transaction: dict[str, str]) -> str:  # noqa: N802 - the method's name
        fields = dict(transaction)
        self._check(fields.pop("from"))
        signed = self.account.sign_transaction({**fields, "chainId": self.chain_id, "type": 2})
        return "0x" + bytes(signed.raw_transaction).hex()

    def _check(self, address: str) -> None:
        if address.lower() != self.account.address.lower():
            raise ValueError("Signing from account not available")
