"""The official SDK as somebody else's process; runs in its own environment, `.tools/sdk`.

Each JSON line on standard input is a call, `{"do": name, ...}`; each line on standard output its result, or
`{"raised": text}`. Registered runners live until the process ends or `leave` is called.
"""

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import Any

import aiohttp
from google.protobuf.json_format import MessageToDict, ParseDict
from livepeer_gateway import lp_rpc_pb2
from livepeer_gateway.byoc import (
    ByocJobRequest,
    ByocTrainingRequest,
    get_training_status,
    submit_byoc_job,
    submit_training_job,
)
from livepeer_gateway.capabilities import CapabilityId, build_capabilities
from livepeer_gateway.discovery import discover_orchestrator_runners, discover_orchestrators, discover_runners
from livepeer_gateway.live_runner import LiveRunnerRegistration, LiveRunnerSessionEvent, call_runner, register_runner
from livepeer_gateway.orch_info import get_orch_info
from livepeer_gateway.selection import _runner_candidates_from_discovery, orchestrator_selector, reserve_session

runners: dict[str, LiveRunnerRegistration] = {}
heard: dict[str, list[list[str]]] = {}


async def round_trip(message: str, data: str) -> dict[str, Any]:
    """Read bytes as the SDK does, and write them again from the values that it names."""
    kind = getattr(lp_rpc_pb2, message)
    read = kind.FromString(bytes.fromhex(data))
    values = MessageToDict(read, preserving_proto_field_name=True)
    return {"data": ParseDict(values, kind()).SerializeToString().hex()}


async def built(address: str, sig: str, model: str) -> dict[str, Any]:
    """Requests as the SDK makes them itself."""
    capabilities = build_capabilities(CapabilityId.LIVE_VIDEO_TO_VIDEO, model)
    request = lp_rpc_pb2.OrchestratorRequest(
        address=bytes.fromhex(address), sig=bytes.fromhex(sig), capabilities=capabilities, ignoreCapacityCheck=True
    )
    return {"request": request.SerializeToString().hex(), "capabilities": capabilities.SerializeToString().hex()}


async def info(orchestrator: str, signer: str, model: str = "") -> dict[str, Any]:
    capabilities = build_capabilities(CapabilityId.LIVE_VIDEO_TO_VIDEO, model) if model else None
    found = await asyncio.to_thread(get_orch_info, orchestrator, signer_url=signer, capabilities=capabilities)
    return {"data": found.SerializeToString().hex()}


async def orchestrators(signer: str = "", discovery: str = "", model: str = "") -> dict[str, Any]:
    capabilities = build_capabilities(CapabilityId.LIVE_VIDEO_TO_VIDEO, model) if model else None
    found = await asyncio.to_thread(
        discover_orchestrators, signer_url=signer or None, discovery_url=discovery or None, capabilities=capabilities
    )
    return {"found": found}


async def selected(signer: str) -> dict[str, Any]:
    cursor = await asyncio.to_thread(orchestrator_selector, signer_url=signer)
    uri, found = await asyncio.to_thread(cursor.next)
    return {"uri": uri, "data": found.SerializeToString().hex()}


async def discovered(orchestrator: str = "", signer: str = "", app: str = "") -> dict[str, Any]:
    if orchestrator:
        return {"found": await discover_orchestrator_runners(orchestrator, app=app or None)}
    return {"found": await discover_runners(signer_url=signer, app=app or None)}


async def byoc(orchestrator: str, capability: str, payload: dict[str, Any], signer: str = "") -> dict[str, Any]:
    job = ByocJobRequest(capability, payload, timeout_seconds=60)
    answer = await asyncio.to_thread(submit_byoc_job, job, orch_url=orchestrator, signer_url=signer or None)
    return {"data": answer.data, "headers": answer.headers}


async def training(orchestrator: str, capability: str, signer: str) -> dict[str, Any]:
    job = ByocTrainingRequest(capability, "a model", {"steps": 1}, timeout_seconds=60)
    begun = await asyncio.to_thread(submit_training_job, job, orch_url=orchestrator, signer_url=signer)
    while True:
        status = await asyncio.to_thread(get_training_status, begun.job_id, orchestrator)
        if status.status in ("completed", "failed", "cancelled"):
            return {"status": status.status, "result": status.result, "error": status.error, "cost": status.cost}
        await asyncio.sleep(0.2)


async def register(orchestrator: str, secret: str, **how: Any) -> dict[str, Any]:
    events: list[list[str]] = []

    def hear(event: LiveRunnerSessionEvent) -> None:
        events.append([event.event, event.session_id])

    runner = await register_runner(
        orchestrator,
        secret=secret,
        auto_detect_gpu=False,
        on_session_reserve=hear,
        on_session_release=hear,
        **how,
    )
    runners[runner.runner_id], heard[runner.runner_id] = runner, events
    return {"runner_id": runner.runner_id, "ttl": runner.heartbeat_ttl_s}


async def told(runner_id: str, events: int) -> dict[str, Any]:
    """What a runner has heard of its sessions, once it is so many events."""
    async with asyncio.timeout(60):
        while len(heard[runner_id]) < events:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)
    return {"events": heard[runner_id]}


async def channels(runner_id: str, headers: dict[str, str]) -> dict[str, Any]:
    """Channels that a runner opens and closes for the session of a request with these headers."""
    runner, request = runners[runner_id], SimpleNamespace(headers=headers)
    opened = await runner.create_trickle_channels(request, [{"name": "out", "mime_type": "video/MP2T"}])
    return {"opened": opened, "deleted": await runner.remove_trickle_channels(request, ["out"])}


async def leave(runner_id: str) -> dict[str, Any]:
    await runners.pop(runner_id).close()
    return {}


async def session(orchestrator: str, app: str, seconds: float, signer: str = "") -> dict[str, Any]:
    """Reserve a runner, use it, pay on for some seconds, use it again, and leave."""
    answers = []
    async with (
        await reserve_session(orchestrators=orchestrator, app=app, signer_url=signer or None) as reserved,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
    ):
        for pause in (0.0, seconds):
            await asyncio.sleep(pause)
            async with http.post(f"{reserved.app_url}/say", json={"pause": pause}) as answer:
                answers.append([answer.status, await answer.json()])
        released = reserved.released
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
        http.post(f"{reserved.app_url}/say", json={}) as answer,
    ):
        return {
            "session_id": reserved.session_id,
            "answers": answers,
            "released": released,
            "afterwards": answer.status,
        }


async def call(orchestrator: str, app: str, payload: dict[str, Any], signer: str) -> dict[str, Any]:
    entries = await discover_orchestrator_runners(orchestrator, app=app)
    (runner,) = _runner_candidates_from_discovery(entries)
    result = await call_runner(runner=runner, payload=payload, signer_url=signer)
    return {"data": result.data, "session_id": result.session_id}


CALLS = {
    each.__name__: each
    for each in (
        *(round_trip, built, info, orchestrators, selected, discovered, byoc, training),
        *(register, told, channels, leave, session, call),
    )
}


async def main() -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        try:
            answer = await CALLS[order.pop("do")](**order)
        except Exception as error:  # noqa: BLE001 - the test shows it
            answer = {"raised": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for runner in runners.values():
        await runner.close()


asyncio.run(main())
