"""Keys: a local signer, and the two forms in which a key may lie on disk.

A key never appears in a repr, a log line or an error; errors name the file and what is wrong with it.
"""

import json
import stat
from pathlib import Path
from typing import Final, NoReturn

import coincurve

from livepeer_client.adapters.chain.transaction import sign
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.errors import ConfigError, InvalidInput
from livepeer_client.facts import SignedTransaction, UnsignedTransaction
from livepeer_client.types import Address, Signature

KEY_BYTES: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class LocalSigner:
    """Holds one secp256k1 key in memory and signs with it (`ports.TransactionSigner`).

    :param key: the 32-byte private key.
    :raises InvalidInput: not 32 bytes, zero, or not below the group order.
    """

    __slots__ = ("_address", "_key")

    def __init__(self, key: bytes) -> None:
        self._key = _private_key(key)
        self._address = public_key_to_address(self._key.public_key)

    @property
    def address(self) -> Address:
        return self._address

    async def sign(self, digest: bytes) -> Signature:
        """Sign a 32-byte digest as a personal message (offchain-payments 1.3).

        :raises InvalidInput: not 32 bytes.
        """
        # About 20 microseconds, less than handing it to a thread costs.
        return sign_personal(self._key, digest)

    async def sign_transaction(self, transaction: UnsignedTransaction) -> SignedTransaction:
        return await sign(transaction, self._key.secret)

    def __repr__(self) -> str:
        return f"LocalSigner(0x{self._address.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a LocalSigner holds a key and is never pickled")


def load_key(path: str | Path, password_file: str | Path | None = None) -> bytes:
    """Read a private key: 32 bytes, for `LocalSigner` or a transactor.

    The file is either an encrypted web3 keystore (JSON, version 3; `password_file` holds its password in the first
    line) or 64 hex digits, with or without 0x. Decrypting a keystore takes about a second on purpose: call it at
    start, not in a running event loop.

    :raises ConfigError: a file is missing, malformed, or its plain secret is readable by group or others; or the
        password is wrong.
    """
    path = Path(path)
    content = _read(path, "key file")
    if content.lstrip().startswith("{"):
        return _decrypt(path, content, password_file)
    _refuse_if_shared(path, "key file")
    digits = content.strip().removeprefix("0x")
    if len(digits) != 2 * KEY_BYTES:
        raise ConfigError(f"key file {path}: expected a JSON keystore or {2 * KEY_BYTES} hex digits")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        # The original message quotes the content, so it is not chained.
        raise ConfigError(f"key file {path}: not hexadecimal") from None
    return _usable(path, key)


def load_token(path: str | Path) -> str:
    """Read a shared token: the first line of a file that nobody else may read.

    :raises ConfigError: it is missing, empty, or readable by group or others.
    """
    path = Path(path)
    lines = _read(path, "token file").splitlines()
    _refuse_if_shared(path, "token file")
    if not lines or not lines[0].strip():
        raise ConfigError(f"token file {path} is empty")
    return lines[0].strip()


def _decrypt(path: Path, content: str, password_file: str | Path | None) -> bytes:
    if password_file is None:
        raise ConfigError(f"key file {path} is encrypted: name the file that holds its password")
    password_path = Path(password_file)
    lines = _read(password_path, "password file").splitlines()
    _refuse_if_shared(password_path, "password file")
    try:
        keystore = json.loads(content)
    except ValueError as error:
        raise ConfigError(f"key file {path}: not valid JSON") from error
    # Imported here: it costs a quarter of a second, and plain key files do without.
    from eth_account import Account

    try:
        key = bytes(Account.decrypt(keystore, lines[0] if lines else ""))
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise ConfigError(f"key file {path}: wrong password or not a version 3 keystore") from error
    return _usable(path, key)


def _usable(path: Path, key: bytes) -> bytes:
    try:
        _private_key(key)
    except InvalidInput as error:
        raise ConfigError(f"key file {path}: {error}") from error
    return key


def _private_key(key: bytes) -> coincurve.PrivateKey:
    if len(key) != KEY_BYTES:
        raise InvalidInput(f"a private key is {KEY_BYTES} bytes, got {len(key)}")
    try:
        return coincurve.PrivateKey(key)
    except ValueError:
        raise InvalidInput("not a private key of secp256k1: zero, or not below the group order") from None


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{what} {path} does not exist") from error
    except OSError as error:
        raise ConfigError(f"{what} {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{what} {path}: not text") from None


def _refuse_if_shared(path: Path, what: str) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        raise ConfigError(f"{what} {path} has mode {mode:04o}, open to others: chmod 600 it")
