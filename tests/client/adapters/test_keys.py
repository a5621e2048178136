"""Keys on disk and the signer: what is accepted, what is refused, and that no key ever shows."""

import json
import pickle
from pathlib import Path

import pytest
from eth_account import Account

from livepeer_client.adapters.keys import LocalSigner, load_key
from livepeer_client.codec.signature import is_signed_by, recover_personal
from livepeer_client.errors import ConfigError, InvalidInput

# The first development account of anvil and hardhat.
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
ADDRESS = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def write(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def keystore(path: Path, password: str = "correct horse") -> Path:
    # Few rounds, so that the test does not wait.
    encrypted = Account.encrypt(KEY, password, kdf="pbkdf2", iterations=10)
    return write(path, json.dumps(encrypted), 0o644)


async def test_local_signer__digest__is_signed_by_its_address() -> None:
    signer = LocalSigner(KEY)
    assert signer.address == ADDRESS
    sig = await signer.sign(bytes(32))
    assert is_signed_by(ADDRESS, sig, bytes(32))
    assert recover_personal(sig, bytes([1] * 32)) != ADDRESS


async def test_local_signer__digest_of_another_width__is_invalid() -> None:
    with pytest.raises(InvalidInput):
        await LocalSigner(KEY).sign(bytes(31))


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), bytes(32), GROUP_ORDER.to_bytes(32, "big")])
def test_local_signer__no_key__is_invalid(key: bytes) -> None:
    with pytest.raises(InvalidInput):
        LocalSigner(key)


def test_local_signer__repr_and_pickle__never_show_the_key() -> None:
    signer = LocalSigner(KEY)
    assert repr(signer) == f"LocalSigner(0x{ADDRESS.hex()})"
    with pytest.raises(TypeError):
        pickle.dumps(signer)


@pytest.mark.parametrize("content", [KEY.hex(), "0x" + KEY.hex(), KEY.hex().upper(), f"  0x{KEY.hex()}\n"])
def test_load_key__hex_file__gives_the_key(tmp_path: Path, content: str) -> None:
    assert load_key(write(tmp_path / "key", content)) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_load_key__hex_file_open_to_others__is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 600"):
        load_key(write(tmp_path / "key", KEY.hex(), mode))


@pytest.mark.parametrize("content", ["", KEY.hex()[:-2], KEY.hex() + "00", "zz" * 32, "00" * 32, "ff" * 32])
def test_load_key__no_key_in_the_file__is_refused_without_quoting_it(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_key(write(tmp_path / "key", content))
    assert not content or content not in str(refused.value)


def test_load_key__missing_or_not_text__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_key(tmp_path / "none")
    with pytest.raises(ConfigError):
        load_key(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe" * 16)
    with pytest.raises(ConfigError):
        load_key(tmp_path / "binary")


def test_load_key__keystore_with_its_password__gives_the_key(tmp_path: Path) -> None:
    password = write(tmp_path / "password", "correct horse\n")
    assert load_key(keystore(tmp_path / "keystore.json"), password) == KEY


def test_load_key__keystore_with_another_password__is_refused(tmp_path: Path) -> None:
    password = write(tmp_path / "password", "wrong")
    with pytest.raises(ConfigError, match="wrong password"):
        load_key(keystore(tmp_path / "keystore.json"), password)


def test_load_key__keystore_without_password_file__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="password"):
        load_key(keystore(tmp_path / "keystore.json"))


def test_load_key__password_file_open_to_others__is_refused(tmp_path: Path) -> None:
    password = write(tmp_path / "password", "correct horse", 0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_key(keystore(tmp_path / "keystore.json"), password)


@pytest.mark.parametrize("content", ["{", "{}", '{"version": 3}'])
def test_load_key__broken_keystore__is_refused(tmp_path: Path, content: str) -> None:
    password = write(tmp_path / "password", "any")
    with pytest.raises(ConfigError):
        load_key(write(tmp_path / "keystore.json", content), password)
