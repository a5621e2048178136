"""A key in a Web3Signer, against a server of its documented API that was made for these tests (no Web3Signer here)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from livepeer_client.adapters.chain.transaction import unsigned
from livepeer_client.adapters.keys import LocalSigner, load_token
from livepeer_client.adapters.web3signer import Web3Signer
from livepeer_client.errors import (
    BadResult,
    Bug,
    ConfigError,
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
)
from livepeer_client.facts import Fees, UnsignedTransaction
from livepeer_client.types import Address, Wei
from tests.support.rpc_server import serving
from tests.support.web3signer_server import Web3SignerServer

KEY, OTHER_KEY = b"\x21" * 32, b"\x22" * 32
ADDRESS = LocalSigner(KEY).address
TRANSACTION = UnsignedTransaction(
    chain_id=42161,
    nonce=7,
    to=Address(b"\x33" * 20),
    value=Wei(5),
    data=b"\x01\x02",
    gas_limit=100_000,
    fees=Fees(Wei(2_000), Wei(100)),
)


@asynccontextmanager
async def signer(server: Web3SignerServer, **options: Any) -> AsyncIterator[Web3Signer]:
    async with serving(server.answer) as url, Web3Signer(url, ADDRESS, **options) as found:
        yield found


async def test_sign__a_digest__is_what_the_key_itself_signs() -> None:
    digest = b"\x44" * 32
    async with signer(Web3SignerServer(KEY, 42161)) as remote:
        assert await remote.sign(digest) == await LocalSigner(KEY).sign(digest)


async def test_sign_transaction__of_a_call__is_what_the_key_itself_signs() -> None:
    async with signer(Web3SignerServer(KEY, 42161)) as remote:
        signed = await remote.sign_transaction(TRANSACTION)
    assert signed == await LocalSigner(KEY).sign_transaction(TRANSACTION)
    assert await unsigned(signed.raw) == TRANSACTION


@pytest.mark.parametrize("change", [lambda s: s[:-2] + f"{int(s[-2:], 16) - 27:02x}", lambda s: flipped(s)])
async def test_sign__another_form_of_the_same_signature__is_made_the_contracts_one(change: Any) -> None:
    server, digest = Web3SignerServer(KEY, 42161), b"\x45" * 32
    server.spoil = lambda method, result: change(result) if method == "eth_sign" else result
    async with signer(server) as remote:
        assert await remote.sign(digest) == await LocalSigner(KEY).sign(digest)


def flipped(signature: str) -> str:
    """The same signature with s in the upper half."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = bytes.fromhex(signature[2:])
    s = order - int.from_bytes(raw[32:64], "big")
    return "0x" + (raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]])).hex()


async def test_sign__by_another_key__is_a_bad_result() -> None:
    server = Web3SignerServer(KEY, 42161)
    stranger = Web3SignerServer(OTHER_KEY, 42161)
    server.spoil = lambda method, result: (
        stranger._eth_sign(stranger.account.address, "0x" + "44" * 32) if method == "eth_sign" else result
    )
    async with signer(server) as remote:
        with pytest.raises(BadResult):
            await remote.sign(b"\x44" * 32)


async def test_sign_transaction__on_another_chain__is_a_bad_result() -> None:
    async with signer(Web3SignerServer(KEY, 1)) as remote:
        with pytest.raises(BadResult):
            await remote.sign_transaction(TRANSACTION)


async def test_sign_transaction__by_another_key__is_a_bad_result() -> None:
    server, stranger = Web3SignerServer(KEY, 42161), LocalSigner(OTHER_KEY)
    theirs = "0x" + (await stranger.sign_transaction(TRANSACTION)).raw.hex()
    server.spoil = lambda method, result: theirs if method == "eth_signTransaction" else result
    async with signer(server) as remote:
        with pytest.raises(BadResult):
            await remote.sign_transaction(TRANSACTION)


@pytest.mark.parametrize("answer", ["0x", "zz", "0x02ff", None, 5])
async def test_sign_transaction__answered_with_no_transaction__is_malformed(answer: object) -> None:
    server = Web3SignerServer(KEY, 42161)
    server.spoil = lambda method, result: answer if method == "eth_signTransaction" else result
    async with signer(server) as remote:
        with pytest.raises(MalformedMessage):
            await remote.sign_transaction(TRANSACTION)


async def test_open__without_the_account__is_refused() -> None:
    with pytest.raises(ConfigError, match="no account"):
        async with signer(Web3SignerServer(OTHER_KEY, 42161)):
            raise AssertionError("opened")


async def test_open__without_the_token__is_refused_and_with_it_served() -> None:
    server = Web3SignerServer(KEY, 42161, token="a secret token")
    with pytest.raises(PeerRefused):
        async with signer(server):
            raise AssertionError("opened")
    async with signer(server, token="a secret token") as remote:
        assert len(await remote.sign(bytes(32))) == 65


async def test_open__nobody_there__is_unreachable() -> None:
    with pytest.raises(PeerUnreachable):
        async with Web3Signer("http://127.0.0.1:1", ADDRESS):
            raise AssertionError("opened")


async def test_sign__too_slow__times_out() -> None:
    server = Web3SignerServer(KEY, 42161)

    async def slow(request: Any) -> Any:
        answer = await server.answer(request)
        if "eth_sign" in server.methods:
            await asyncio.Event().wait()
        return answer

    async with serving(slow) as url, Web3Signer(url, ADDRESS, timeout_s=1) as remote:
        with pytest.raises(PeerTimeout):
            await remote.sign(bytes(32))


async def test_sign__refused_by_the_signer__says_what_it_said() -> None:
    server = Web3SignerServer(KEY, 42161)
    async with signer(server) as remote:
        server._eth_sign = lambda *args: (_ for _ in ()).throw(ValueError("locked"))  # type: ignore[method-assign]
        with pytest.raises(PeerRefused, match="locked"):
            await remote.sign(bytes(32))


async def test_sign__a_digest_of_another_width__is_invalid() -> None:
    async with signer(Web3SignerServer(KEY, 42161)) as remote:
        with pytest.raises(InvalidInput):
            await remote.sign(b"\x01")


async def test_sign__outside_async_with__is_a_bug() -> None:
    with pytest.raises(Bug):
        await Web3Signer("http://signer.example", ADDRESS).sign(bytes(32))


async def test_secrets__in_reprs_logs_and_errors__never_show(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "hunter2hunter2"
    shown: list[str] = []
    for key_url in (f"http://127.0.0.1:1/{secret}", f"http://127.0.0.1:1/?key={secret}"):
        remote = Web3Signer(key_url, ADDRESS, token=secret)
        shown.append(repr(remote))
        try:
            async with remote:
                raise AssertionError("opened")
        except LivepeerError as error:
            shown += [str(error), repr(error)]
    local = LocalSigner(KEY)
    signed = await local.sign_transaction(TRANSACTION)
    shown += [repr(local), str(local), repr(signed), caplog.text]
    assert not [text for text in shown if secret in text or KEY.hex() in text or repr(KEY)[2:-1] in text]


def test_load_token__of_a_file_for_oneself__is_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text("a token\nanything else")
    assert load_token(path) == "a token"


@pytest.mark.parametrize(("content", "mode"), [("", 0o600), ("\n", 0o600), ("a token", 0o644)])
def test_load_token__empty_or_open_to_others__is_refused_without_showing_it(
    tmp_path: Path, content: str, mode: int
) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(ConfigError) as refusal:
        load_token(path)
    assert "a token" not in str(refusal.value)
