"""`python -m scripts._fuzz_network --minutes N [--seed S]`: hostile bytes for every reader of the wire.

Protobuf messages, headers, JSON and trickle requests are taken from valid ones and broken in one to eight places. A
reader may give a value or one of the library's errors; anything else is a finding, and so is a value that reads
differently once it is written again, a reader that takes longer than a second, and a trickle channel that holds more
than its limit. Ends with executions per second of each reader; fails on findings.
"""

from __future__ import annotations

import argparse
import base64
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from livepeer_client.codec import byoc_api, live_api, live_job, redeemer_api, signer_api, trickle, wire, worker_api
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    ModelConstraint,
    NonceAndSig,
    OrchestratorInfo,
    OrchestratorRequest,
    Payment,
    PaymentResult,
    PriceInfo,
    SegmentCredentials,
    TranscodedSegment,
    TranscodeResult,
    VideoProfile,
)
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.errors import LivepeerError
from livepeer_client.policy.trickle import RING, Channel, TrickleRefused
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei, WinProb

SLOW_S = 1.0
LIMIT = 64
EDGES = (b"\x00", b"\xff" * 10, b"\xff\xff\xff\xff\x0f", b"\x80" * 11, b"{", b"[" * 2000, b'"', b"-1", b"9" * 40, b"=")


@dataclass(frozen=True)
class Reader:
    """What reads, valid input to start from, and what writes its values again, if something does."""

    read: Callable[[bytes], Any]
    seeds: tuple[bytes, ...]
    write: Callable[[Any], bytes] | None = None


def readers() -> dict[str, Reader]:
    who, word = Address(b"\x11" * 20), Hash32(b"\x22" * 32)
    expiration = ExpirationParams(Round(7), word)
    params = TicketParams(who, Wei(10**15), WinProb(2**200), word, 5, BlockNumber(9), expiration)
    token = AuthToken(b"\x33" * 32, "0a0b0c0d", 1_700_000_000)
    price = PriceInfo(3, 2)
    can = Capabilities(
        bits=frozenset({0, 1, 35, 70}),
        capacities={35: 2},
        version="0.1.0",
        constraints={35: {"m": ModelConstraint(True)}},
    )
    info = OrchestratorInfo("https://a:1", params, price, who, can, token, (price,))
    payment = Payment(params, who, expiration, (NonceAndSig(1, b"\x44" * 65), NonceAndSig(2, b"\x55" * 65)), price)
    profile = VideoProfile(name="p", width=64, height=48, bitrate=1000, fps=30)
    credentials = SegmentCredentials(b"m", 3, word, (profile,), b"\x66" * 65, 2000, can, token)
    result = TranscodeResult(3, "", (TranscodedSegment("https://a/x", 9),), b"\x77" * 65, info)
    challenge = live_api.PaymentChallenge(info, "https://a:1", "0a0b0c0d", "https://a:1/payment")
    call = signer_api.PaymentCall(None, info, "m", "", 5, "lv2v", None, can)

    def header(data: bytes) -> bytes:
        return base64.b64encode(data)

    def text(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
        return lambda data: read(data.decode("latin-1"))

    encoded = {
        "orchestrator request": wire.encode_orchestrator_request(OrchestratorRequest(who, b"\x01" * 65, can)),
        "orchestrator info": wire.encode_orchestrator_info(info),
        "payment": wire.encode_payment(payment),
        "credentials": wire.encode_segment_credentials(credentials),
        "transcode result": wire.encode_transcode_result(result),
        "payment result": wire.encode_payment_result(PaymentResult(info)),
    }
    urls = live_job.LiveUrls("https://a/1", "https://a/2", "https://a/3", "https://a/4")
    return {
        "protobuf OrchestratorRequest": Reader(
            wire.decode_orchestrator_request, (encoded["orchestrator request"],), wire.encode_orchestrator_request
        ),
        "protobuf OrchestratorInfo": Reader(
            wire.decode_orchestrator_info, (encoded["orchestrator info"],), wire.encode_orchestrator_info
        ),
        "protobuf Payment": Reader(wire.decode_payment, (encoded["payment"],), wire.encode_payment),
        "protobuf SegData": Reader(
            wire.decode_segment_credentials, (encoded["credentials"],), wire.encode_segment_credentials
        ),
        "protobuf TranscodeResult": Reader(
            wire.decode_transcode_result, (encoded["transcode result"],), wire.encode_transcode_result
        ),
        "protobuf PaymentResult": Reader(
            wire.decode_payment_result, (encoded["payment result"],), wire.encode_payment_result
        ),
        "protobuf EndTranscodingSession": Reader(
            wire.decode_end_session_request, (wire.encode_end_session_request(token),), wire.encode_end_session_request
        ),
        "protobuf RegisterRequest": Reader(worker_api.decode_transcoder_joins, (encoded["orchestrator info"],)),
        "protobuf NotifySegment": Reader(worker_api.decode_segment_task, (encoded["credentials"],)),
        "protobuf NotifyAIJob": Reader(worker_api.decode_ai_task, (b"\n\x04\n\x02ab\x10\x05",)),
        "protobuf Ticket": Reader(redeemer_api.decode_ticket, (encoded["payment"],)),
        "header Livepeer-Payment": Reader(text(wire.payment_from_header), (header(encoded["payment"]), b"")),
        "header Livepeer-Segment": Reader(text(wire.segment_from_header), (header(encoded["credentials"]),)),
        "header Livepeer": Reader(text(byoc_api.decode_job), (header(b'{"id":"a","capability":"c","request":"{}"}'),)),
        "header Livepeer-Eth-Address": Reader(
            text(byoc_api.decode_caller), (header(b'{"addr":"0x%s","sig":"0x00"}' % (b"11" * 20)),)
        ),
        "JSON payment challenge": Reader(live_api.decode_challenge, (live_api.encode_challenge(challenge),)),
        "JSON refresh": Reader(live_api.decode_refresh, (live_api.encode_refresh(who, "m"),)),
        "JSON live request": Reader(
            live_job.decode_request,
            (live_job.encode_request(live_job.LiveRequest("noop", {"a": [1]})), live_job.encode_answer("m", urls)),
            live_job.encode_request,
        ),
        "JSON signer call": Reader(signer_api.decode_payment_call, (signer_api.encode_payment_call(call),)),
        "JSON events": Reader(trickle.decode_events, (trickle.encode_event({"queue_event_type": "a"}) * 2,)),
        "trickle index": Reader(text(trickle.parse_seq), (b"-1", b"0", b"12345")),
        "trickle requests": Reader(_trickle, (bytes(range(64)), b"\x00\x04\x01\x00\x05" * 20)),
    }


def _trickle(data: bytes) -> None:
    """Requests of one channel: what to do, with which number, of how many bytes."""
    channel, writes, steps = Channel("a", max_segment_bytes=LIMIT), [], iter(data)
    for what in steps:
        number = next(steps, 0) - 4
        seq = channel.next_seq + number if what & 64 else number
        try:
            match what % 8:
                case 0:
                    writes.append(channel.write(seq))
                case 1 | 2 if writes:
                    channel.append(writes[number % len(writes)], b"x" * (number & 31))
                case 3 if writes:
                    channel.finish(writes.pop(number % len(writes)))
                case 4 if writes:
                    channel.abandon(writes.pop(number % len(writes)))
                case 5:
                    channel.reset(seq)
                case 6:
                    channel.end_segment(seq)
                case 7 if number == 100:
                    channel.close()
                case _:
                    channel.look(channel.read_seq(seq))
        except TrickleRefused:
            continue
        assert channel.size <= RING * LIMIT, "more bytes than the ring may hold"


def broken(random_: random.Random, seed: bytes) -> bytes:
    data = bytearray(seed)
    for _ in range(random_.randint(1, 8)):
        at = random_.randint(0, len(data))
        match random_.randrange(6):
            case 0 if data:
                data[at % len(data)] ^= 1 << random_.randrange(8)
            case 1 if data:
                data[at % len(data)] = random_.randrange(256)
            case 2:
                del data[at:]
            case 3:
                data[at:at] = random_.choice(EDGES)
            case 4:
                start = random_.randint(0, len(data))
                data[at:at] = data[start : start + random_.randrange(40)]
            case _:
                del data[at : at + random_.randrange(1, 9)]
    return bytes(data)


def finding(reader: Reader, data: bytes) -> str | None:
    """What is wrong with how `data` is read, if something is."""
    started = time.perf_counter()
    try:
        value = reader.read(data)
        if reader.write is not None and reader.read(reader.write(value)) != value:
            return "reads differently once it is written again"
    except LivepeerError:
        pass
    except Exception as error:  # noqa: BLE001 - what else comes out is what is looked for
        return f"{type(error).__name__}: {error}"
    return "slow" if time.perf_counter() - started > SLOW_S else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, help="chosen by chance if it is left out")
    arguments = parser.parse_args()
    seed = secrets.randbelow(10**9) if arguments.seed is None else arguments.seed
    random_, named = random.Random(seed), readers()  # noqa: S311 - to be repeated, not to be secret
    print(f"seed {seed}, {arguments.minutes:g} minutes, {len(named)} readers", flush=True)
    runs: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    findings: dict[tuple[str, str], bytes] = {}
    end = time.monotonic() + 60 * arguments.minutes
    while time.monotonic() < end:
        for name, reader in named.items():
            started = time.perf_counter_ns()
            for _ in range(200):
                data = broken(random_, random_.choice(reader.seeds))
                if (wrong := finding(reader, data)) is not None and (name, wrong[:60]) not in findings:
                    findings[name, wrong[:60]] = data
                    print(f"FOUND {name}: {wrong[:300]}\n  {data[:200].hex()}", flush=True)
            runs[name] += 200
            spent[name] += time.perf_counter_ns() - started
    for name in named:
        print(f"{name:32} {runs[name]:>10,} executions {runs[name] * 10**9 // spent[name]:>8,} a second")
    total = sum(runs.values())
    print(f"{total:,} executions, {int(total / (60 * arguments.minutes)):,} a second, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
