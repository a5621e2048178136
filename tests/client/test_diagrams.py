"""What the docs draw is what the library does."""

import pytest

from livepeer_client.policy.workloads import TABLES, Table
from scripts._diagrams import PAGE, diagram, drawn, main, reactions


def test_diagrams__in_the_docs__are_current() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_diagrams__every_move_and_reaction__is_drawn(table: Table) -> None:
    page = PAGE.read_text()
    assert diagram(table) in page
    assert reactions(table) in page
    for move in table.moves:
        assert f"{move.before.value} --> {move.after.value}" in diagram(table)
    assert all(f"`{cause.value}`" in reactions(table) for cause in table.reactions)


def test_drawn__page_without_its_marks__is_refused() -> None:
    with pytest.raises(ValueError, match="marked 0 times"):
        drawn("# No marks")
