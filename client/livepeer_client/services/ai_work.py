"""Batch AI jobs of an orchestrator: judged, paid, done and charged (offchain-network 4.8).

    headers    402, 403; nothing taken          capacity  503 with the time after which to ask again
    request    400                              payment   400, 402
    work       500, or 400 if the worker says that the request is at fault

A job's place is reserved before its payment is taken and its fee before it is done, so that nobody pays for what has
no room, and nobody works for what is not covered. What fails is charged nothing.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Protocol

from livepeer_client.codec.messages import Payment
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    PeerRefused,
    PriceUnavailable,
    StoreError,
)
from livepeer_client.facts.ai import AiFile, AiRequest, AiResult
from livepeer_client.policy.ai_request import FILE_FIELDS, FileSize, check_fields, units_of
from livepeer_client.policy.pipelines import Pipeline, PipelineTable
from livepeer_client.policy.price_list import PriceList
from livepeer_client.policy.workers import NoWorker
from livepeer_client.ports.till import Till
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.work import INTERNAL, Admitted, Refused, WorkService
from livepeer_client.types import Address

RETRY_AFTER_S: Final = 2
OLD_QUOTE: Final = "TicketParams expired"
NO_CAPACITY: Final = "insufficient capacity"
BAD_REQUEST: Final = 400

_log = logging.getLogger(__name__)


class AiRunner(Protocol):
    """Runs jobs of a model."""

    async def run(self, pipeline: Pipeline, request: AiRequest) -> AiResult:
        """:raises InvalidInput: the request is at fault.
        :raises NoWorker: nobody has room.
        :raises LivepeerError: it failed.
        """


class Measure(Protocol):
    async def __call__(self, data: bytes) -> FileSize:
        """:raises InvalidInput: nothing that can be read."""


@dataclass(frozen=True, slots=True)
class Busy(Refused):
    """No room; to be asked again after so many seconds."""

    retry_after_s: int = RETRY_AFTER_S


class AiWork:
    """Sells the pipelines of a table.

    :param prices: the prices now, where they do not stay those of the table.
    """

    def __init__(
        self,
        *,
        pipelines: PipelineTable,
        work: WorkService,
        payments: Till,
        board: CapacityBoard,
        runner: AiRunner,
        measure: Measure,
        prices: Callable[[], PriceList] | None = None,
    ) -> None:
        self.pipelines = pipelines
        self._prices = prices
        self._work = work
        self._payments = payments
        self._board = board
        self._runner = runner
        self._measure = measure
        self._jobs = 0
        self._held: dict[tuple[Address, str], Fraction] = {}

    def check(self, payment: str, credentials: str) -> "Checked | Refused":
        """Judge the headers of a request whose body is still unread."""
        checked = self._work.check_headers(payment, credentials)
        return checked if isinstance(checked, Refused) else Checked(*checked)

    async def run(
        self, checked: "Checked", pipeline: str, fields: Mapping[str, Any], file: AiFile | None
    ) -> AiResult | Refused:
        """Take the payment of one job and do it."""
        entry = self._entry(pipeline, fields.get("model_id"))
        if entry is None:
            return Refused(BAD_REQUEST, f"no such model of {pipeline}")
        try:
            check_fields(pipeline, fields, has_file=file is not None)
            size = None if file is None else await self._measure(file.data)
            units = units_of(pipeline, entry.capability, entry.unit, fields, size)
        except InvalidInput as error:
            return Refused(BAD_REQUEST, str(error))
        if not self._board.take(entry.capability, entry.model):
            return Busy(503, NO_CAPACITY)
        placed = Place(self._board, entry)
        try:
            hold = await self._pay(checked, entry, units)
            if isinstance(hold, Refused):
                return hold
            with hold:
                result = await self._do(entry, AiRequest(pipeline, entry.model, fields, file_field(pipeline), file))
                if isinstance(result, Refused):
                    return result
                await self._payments.charge(hold.sender, hold.account, self._jobs, units)
            _log.info("job done job=%s units=%d", entry.app, units)
            return result if result.events is None else AiResult(events=placed.until_the_end(result.events))
        except StoreError as error:
            _log.error("job not charged job=%s reason=%s", entry.app, error)
            return Refused(500, INTERNAL)
        finally:
            placed.leave()

    def _entry(self, pipeline: str, model: object) -> Pipeline | None:
        if model in (None, ""):
            return next(iter(self.pipelines.models_of(pipeline)), None)
        return self.pipelines.find(pipeline, model) if isinstance(model, str) else None

    async def _pay(self, checked: "Checked", entry: Pipeline, units: int) -> "Hold | Refused":
        """Take the payment and reserve the fee."""
        sender, account = checked.admitted.sender, account_of(entry)
        tariff = entry.price if self._prices is None else self._prices().models[entry.key]
        try:
            least = tariff.for_sender(sender)
        except PriceUnavailable as error:
            _log.warning("no price job=%s reason=%s", entry.app, error)
            return Busy(503, "no price now")
        if least is None:
            return Refused(BAD_REQUEST, f"{entry.app} is not sold to this sender")
        price = await self._payments.session_price(sender, account)
        if price is None and least > _price_of(checked.payment):
            # Else the quote of a cheaper model would fix this one's price. Who reads this asks for a new one.
            return Refused(BAD_REQUEST, f"{OLD_QUOTE}: expected price below {least} wei per unit")
        taken = await self._work.take_payment(checked.payment, sender, account)
        if isinstance(taken, Refused):
            return taken
        self._jobs += 1
        fee = units * (await self._payments.session_price(sender, account) or least)
        held = self._held.get((sender, account), Fraction(0))
        balance = self._payments.balance(sender, account) - held
        if balance < fee:
            _log.info("no credit sender=0x%s job=%s balance=%d fee=%d", sender.hex(), entry.app, balance, fee)
            return Refused(402, "Insufficient balance")
        return Hold(self._held, sender, account, fee)

    async def _do(self, entry: Pipeline, request: AiRequest) -> AiResult | Refused:
        try:
            return await self._runner.run(entry, request)
        except InvalidInput as error:
            return Refused(BAD_REQUEST, str(error))
        except NoWorker as error:
            _log.info("no worker job=%s reason=%s", entry.app, error)
            return Busy(503, NO_CAPACITY)
        except PeerRefused as error:
            return Refused(BAD_REQUEST if error.status == BAD_REQUEST else 500, error.reason)
        except LivepeerError as error:
            _log.warning("job failed job=%s reason=%s", entry.app, error)
            return Refused(500, INTERNAL)


class Hold:
    """Part of a balance that a job under way will be charged."""

    def __init__(self, held: dict[tuple[Address, str], Fraction], sender: Address, account: str, fee: Fraction) -> None:
        self.sender = sender
        self.account = account
        self._held = held
        self._fee = fee

    def __enter__(self) -> "Hold":
        if self._fee:
            key = self.sender, self.account
            self._held[key] = self._held.get(key, Fraction(0)) + self._fee
        return self

    def __exit__(self, *_: object) -> None:
        if not self._fee:
            # Of nothing there is no entry that the first of several to end could take along.
            return
        key = self.sender, self.account
        left = self._held[key] - self._fee
        if left:
            self._held[key] = left
        else:
            del self._held[key]


def file_field(pipeline: str) -> str:
    return FILE_FIELDS.get(pipeline, "file")


def _price_of(payment: Payment) -> Fraction:
    info = payment.expected_price
    return Fraction(0) if info is None or not info.pixels_per_unit else info.wei_per_pixel


@dataclass(frozen=True, slots=True)
class Checked:
    """Headers that passed."""

    payment: Payment
    admitted: Admitted


class Place:
    """A job's share of the capacity, until it has ended."""

    def __init__(self, board: CapacityBoard, entry: Pipeline) -> None:
        self._board = board
        self._entry = entry
        self._kept = False
        self._left = False

    def leave(self) -> None:
        if not self._kept and not self._left:
            self._left = True
            self._board.give_back(self._entry.capability, self._entry.model)

    async def _relay(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for event in events:
                yield event
        finally:
            self._kept = False
            self.leave()

    def until_the_end(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._kept = True
        return self._relay(events)


def account_of(entry: Pipeline) -> str:
    """What a sender's balance for a model is kept under (offchain-network 4.2)."""
    return f"{entry.capability}_{entry.model}"
