"""What a deployment intended and what came of it, on disk before and after every transaction.

An intent is written before its transaction is sent, with the hash by which the transaction can be found again; so a run
that dies at any moment leaves no transaction that the next run does not know of.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from scripts._deployment.errors import JournalInUse, StaleJournal, UnreadableJournal
from scripts._deployment.site import Site

# 2: with the parameters of governance.
VERSION = 2
# What the keys of steps that make a contract begin with.
CREATE = "create "


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a deployment began with. None of it may change under way."""

    network: str
    chain_id: int
    # Hash of block 0, and the block at which the deployment began: by these a chain is known again.
    genesis: str
    block: int
    block_hash: str
    deployer: str
    # Who gets the Controller and the token's admin role in the end; None: the deployer keeps them.
    owner: str | None
    # 40 hex digits.
    commit: str
    params: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One step. Without `done` it is an intent: the transaction may be mined, waiting, or never have left."""

    sender: str
    nonce: int
    # Of every transaction that was signed for the step with this nonce; at most one of them can be mined.
    hashes: tuple[str, ...] = ()
    # Of the contract that the step creates.
    address: str | None = None
    done: bool = False
    transaction: str | None = None
    block: int | None = None
    gas_used: int | None = None
    # Why it was done although something spoke against it.
    reason: str | None = None


@dataclass(slots=True)
class Journal:
    """Records by step, in the order in which they were made. Without a path it is kept in memory only."""

    header: Header
    path: Path | None = None
    records: dict[str, Record] = field(default_factory=dict)
    _lock: TextIO | None = None

    # --- records ----------------------------------------------------------------------------------

    def intend(self, key: str, *, sender: str, nonce: int, transaction: str | None, address: str | None) -> None:
        """Must return before the transaction is sent."""
        previous = self.records.get(key)
        hashes = previous.hashes if previous and (previous.sender, previous.nonce) == (sender, nonce) else ()
        if transaction and transaction not in hashes:
            hashes += (transaction,)
        self._put(key, Record(sender=sender, nonce=nonce, hashes=hashes, address=address))

    def conclude(self, key: str, *, transaction: str | None, block: int | None, gas_used: int | None) -> None:
        """The transaction is mined and succeeded."""
        self._put(key, replace(self.records[key], done=True, transaction=transaction, block=block, gas_used=gas_used))

    def forget(self, key: str) -> None:
        """The transaction failed or can never be mined."""
        del self.records[key]
        self._save()

    def is_done(self, key: str) -> bool:
        record = self.records.get(key)
        return record is not None and record.done

    def supersede(self, renamed: Mapping[str, str]) -> None:
        """Keep records under other names, all at once, so that their steps can be made anew."""
        for key, kept_as in renamed.items():
            if key in self.records:
                self.records[kept_as] = self.records.pop(key)
        self._save()

    def adopt(self, key: str, address: str) -> None:
        """A contract that somebody else created is the one in force."""
        self._put(key, Record(sender="", nonce=0, address=address, done=True))

    def explain(self, key: str, reason: str) -> None:
        self._put(key, replace(self.records[key], reason=reason))

    def created(self) -> dict[str, str]:
        """Name -> address of every contract in force."""
        return {
            key.removeprefix(CREATE): record.address
            for key, record in self.records.items()
            if record.done and record.address and key.startswith(CREATE)
        }

    def _put(self, key: str, record: Record) -> None:
        self.records[key] = record
        self._save()

    # --- the file ---------------------------------------------------------------------------------

    @classmethod
    def begin(cls, header: Header, path: Path | None = None) -> Journal:
        journal = cls(header, path)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            journal._acquire(path)
            journal._save()
        return journal

    @classmethod
    def resume(cls, path: Path) -> Journal:
        """:raises UnreadableJournal: if the file is not a journal of this version."""
        try:
            content = json.loads(path.read_text())
            if content["version"] != VERSION:
                raise UnreadableJournal(f"{path} is of version {content['version']}; this is version {VERSION}")
            header = Header(**content["deployment"])
            records = {key: _record(value) for key, value in content["steps"].items()}
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableJournal(f"{path} is not a deployment journal") from error
        journal = cls(header, path, records)
        journal._acquire(path)
        return journal

    def in_memory(self) -> Journal:
        """A copy that can be changed without leaving a trace."""
        return Journal(self.header, None, dict(self.records))

    def close(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def _acquire(self, path: Path) -> None:
        lock = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise JournalInUse(f"{path} is in use by another run") from None
        self._lock = lock

    def _save(self) -> None:
        if self.path is None:
            return
        content = {
            "version": VERSION,
            "deployment": asdict(self.header),
            "steps": {key: _json(record) for key, record in self.records.items()},
        }
        beside = self.path.with_suffix(".new")
        with beside.open("w") as file:
            file.write(json.dumps(content, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    # --- the chain --------------------------------------------------------------------------------

    def check_chain(self, site: Site) -> None:
        """:raises StaleJournal: if the journal belongs to another chain, or to this one before it was reset."""
        where = f"{self.path}: " if self.path else ""
        advice = "Remove the file, name another with --journal, or set it aside with --restart"
        if self.header.chain_id != site.provider.chain_id:
            raise StaleJournal(
                f"{where}the journal is of chain {self.header.chain_id}, not {site.provider.chain_id}. {advice}"
            )
        if self.header.genesis != site.block_hash(0):
            raise StaleJournal(f"{where}this chain began with another block 0: it was reset, or is another. {advice}")
        if self.header.block_hash != site.block_hash(self.header.block):
            raise StaleJournal(
                f"{where}block {self.header.block} of this chain is not the one the deployment began at: the chain was "
                f"reset or set back. {advice}"
            )


def _record(values: Mapping[str, Any]) -> Record:
    return Record(**{**values, "hashes": tuple(values.get("hashes", ()))})


def _json(record: Record) -> dict[str, object]:
    return {name: value for name, value in asdict(record).items() if value not in (None, ())}
