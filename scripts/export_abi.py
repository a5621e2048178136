"""`ape run export_abi`: compiled contracts -> the ABIs that the client ships.

Vyper cannot name outputs and cannot list custom errors or `receive`. Those three come from the published ABIs of the
deployed contracts, where these are at hand in `../shared/abi`; everything else is what the compiler says. The result is
committed, and `MERGED.txt` beside it names the files that went through this step.
"""

from __future__ import annotations

import click

from scripts._abi import OUTPUT, REFERENCE, ROOT, build, differences
from scripts._environment import complete_path

complete_path()


@click.command()
@click.option("--check", is_flag=True, help="Fail if the committed files differ; write nothing.")
def cli(check: bool) -> None:
    """Write the client's ABIs."""
    if check:
        if problems := differences():
            raise click.ClickException("run `ape run export_abi`:\n  " + "\n  ".join(problems))
        return
    if not REFERENCE.is_dir():
        click.echo(f"{REFERENCE} is absent: names, errors and receive are lost", err=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    files = build()
    for path in OUTPUT.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (OUTPUT / name).write_text(text)
    click.echo(f"{len(files) - 1} ABIs in {OUTPUT.relative_to(ROOT)}")
