"""Settings: a file to start from, and where each value of the present ones comes from."""

import asyncio
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from livepeer_client.cli.nodes import LOADED
from livepeer_client.cli.options import Changes, Config, Json, sources
from livepeer_client.cli.output import Output, Table, hexed
from livepeer_client.cli.running import run
from livepeer_client.cli.templates import TEMPLATES
from livepeer_client.errors import ConfigError

Role = Enum("Role", {name.upper(): name for name in TEMPLATES}, type=str)  # type: ignore[misc]


def make(group: Callable[[str], typer.Typer]) -> typer.Typer:
    config = group("Write a settings file; check one.")
    config.command()(init)
    config.command()(check)
    return config


def init(
    role: Annotated[Role, typer.Argument(metavar="|".join(TEMPLATES), help="what the settings are for")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="where to; never over a file")] = Path(
        "livepeer.toml"
    ),
    as_json: Json = False,
) -> None:
    """Write a settings file with what has to be set, and the defaults as comments."""

    async def work() -> None:
        try:
            with out.open("x") as file:
                file.write(TEMPLATES[str(role.value)])
        except OSError as error:
            raise ConfigError(f"{out}: cannot be written: {error.strerror}") from error
        Output(as_json=as_json).show({"file": str(out), "role": role.value}, lines=[("wrote", str(out))])

    run(work, as_json=as_json)


def check(config: Config, changes: Changes = None, as_json: Json = False) -> None:
    """Read settings as a node would, with address file and key, and say where each value comes from."""

    async def work() -> None:
        from livepeer_client import config as settings
        from livepeer_client.adapters.chain.addresses import load_addresses
        from livepeer_client.nodes.keys import open_signer

        given = sources(changes)
        tables = settings.tables_of(config)
        role = next((name for name in TEMPLATES if name in tables), None)
        if role == "transcoder":
            # It has neither chain nor key.
            from livepeer_client.config.workers import load_transcoder

            await asyncio.to_thread(load_transcoder, config, given)
            account = chain_id = None
        else:
            load = settings.load_account if role is None else getattr(settings, f"load_{LOADED.get(role, role)}")
            loaded = await asyncio.to_thread(load, config, given)
            account = chain_id = None
            if not isinstance(loaded, settings.OffchainConfig):
                chain_id = (await asyncio.to_thread(load_addresses, loaded.chain.addresses)).chain_id
                async with open_signer(loaded.key) as signer:
                    account = hexed(signer.address)
        Output(as_json=as_json).show(
            {
                "role": role,
                "account": account,
                "chain_id": chain_id,
                "settings": [
                    {"table": each.table, "key": each.key, "value": each.shown, "origin": each.origin}
                    for each in given.taken
                ],
            },
            lines=[("role", role or "none"), ("account", account or "none"), ("chain", str(chain_id or "none"))],
            table=Table(
                ("setting", "value", "origin"),
                [(f"{each.table}.{each.key}", each.shown, each.origin) for each in given.taken],
            ),
        )

    run(work, as_json=as_json)
