"""`gateway explain`: what a job would find now, and why each orchestrator is or is not chosen."""

import asyncio
import random
from dataclasses import fields
from typing import Annotated, Any

import typer

from livepeer_client.cli.options import Changes, Config, Json, sources
from livepeer_client.cli.output import Output, Table, hexed
from livepeer_client.cli.running import run
from livepeer_client.errors import InvalidInput

Preset = Annotated[
    list[str] | None, typer.Option("--preset", help="A rendition of the job, such as P240p30fps16x9; repeatable.")
]
Seed = Annotated[int | None, typer.Option(help="Makes the lottery's draw repeatable.")]


Orchestrator = Annotated[
    str | None, typer.Argument(metavar="[ORCHESTRATOR]", help="its address or URI, or how that starts; all without")
]


PipelineName = Annotated[
    str | None, typer.Option("--pipeline", help="An AI job of this pipeline instead, such as text-to-image.")
]
ModelName = Annotated[str | None, typer.Option("--model", help="The model of the AI job or live session.")]
Id = Annotated[int | None, typer.Option("--capability", help="The pipeline's id, where the network has not named it.")]


def gateway_explain(
    config: Config,
    orchestrator: Orchestrator = None,
    changes: Changes = None,
    preset: Preset = None,
    pipeline: PipelineName = None,
    model: ModelName = None,
    capability: Id = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Probe the pool for a job and explain every orchestrator, or one: verdict, reason, and chances in the lottery."""

    async def work() -> None:
        from livepeer_client.codec.presets import presets
        from livepeer_client.config import load_gateway
        from livepeer_client.nodes.gateway import Gateway
        from livepeer_client.policy.explaining import HEAD, rows_of

        profiles = presets(preset or [])
        wanted_job = None if pipeline is None and model is None else _pipeline(pipeline, model, capability)
        if wanted_job is not None and preset:
            raise InvalidInput("a job has either presets, or a pipeline and its model")
        async with Gateway.open(await asyncio.to_thread(load_gateway, config, sources(changes))) as opened:
            if seed is not None:
                # A draw that can be repeated, not a secret.
                opened.dispatcher.draw = random.Random(seed).random  # noqa: S311
            if wanted_job is None:
                _, selection = await opened.discover(profiles)
            else:
                _, selection = await opened.explain(wanted_job)
        data = [candidate_data(each) for each in selection.candidates]
        if orchestrator is None:
            Output(as_json=as_json).show({"candidates": data}, table=Table(HEAD, rows_of(selection)))
            return
        wanted = orchestrator.lower()
        found = [each for each in data if any(str(each[k]).lower().startswith(wanted) for k in ("uri", "address"))]
        if len(found) != 1:
            raise InvalidInput(f"{len(found)} of {len(data)} orchestrators start with {orchestrator}, must be one")
        lines = [(name.replace("_", " "), "none" if value is None else str(value)) for name, value in found[0].items()]
        Output(as_json=as_json).show(found[0], lines=lines)

    run(work, as_json=as_json)


def _pipeline(name: str | None, model: str | None, capability: int | None) -> Any:
    from livepeer_client.policy.pipelines import Pipeline, capability_of
    from livepeer_client.policy.price_list import Tariff

    if not name or not model:
        raise InvalidInput("an AI job has a pipeline and a model")
    number = capability_of(name) if capability is None else capability
    if number is None:
        raise InvalidInput(f"the network has not named {name!r}: say its --capability")
    return Pipeline(number, name, model, Tariff())


def candidate_data(candidate: Any) -> dict[str, object]:
    """Everything that is known of a candidate; price in wei per pixel, a fraction in text; stake in LPT wei."""
    rejection, shares = candidate.rejection, candidate.shares
    return {
        "uri": candidate.uri,
        "address": hexed(candidate.address),
        "verdict": candidate.verdict.value,
        "reason": candidate.reason,
        "reject_reason": None if rejection is None else rejection.reason.name,
        "figures": {} if rejection is None else {name: str(value) for name, value in rejection.figures.items()},
        "price": None if candidate.price is None else str(candidate.price),
        "latency_s": candidate.latency_s,
        "latency_score": candidate.latency_score,
        "stake": str(candidate.stake),
        "probability": candidate.probability,
        "shares": None if shares is None else {each.name: getattr(shares, each.name) for each in fields(shares)},
        "pool": None if candidate.pool is None else candidate.pool.value,
        "trust": candidate.trust,
        "performance": candidate.performance,
    }
