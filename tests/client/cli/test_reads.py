"""Commands that only read: figures as JSON with stable keys, tables for people, tab-separated in a pipe."""

import asyncio
import io
import json
import os
import signal

import pytest

from livepeer_client.cli.governance import _call_text
from livepeer_client.cli.output import Output, Table, plain
from livepeer_client.cli.running import run
from livepeer_client.codec.address import checksum_address
from livepeer_client.errors import Reverted
from livepeer_client.facts.governance import GovernedCall, NamedCall, PollChoice, Support
from livepeer_client.types import Address, Wei
from scripts._ports import free_port
from tests.client.cli.conftest import ROUND_BLOCKS, Desk
from tests.support.anvil import ALICE, BOB, ETH, GATEWAY, LPT, STRANGER
from tests.support.anvil_governance import POLL_BLOCKS, TREASURY_LPT, CouncilStage

ALICE_TEXT = checksum_address(ALICE.address)


async def test_rounds__of_the_chain__tells_where_it_is(desk: Desk, stage: CouncilStage) -> None:
    state, head = await stage.suite.round_state(), await stage.suite.head()
    assert (await desk.run("rounds", "--json")).data == {
        "round": state.current,
        "initialized": True,
        "last_initialized": state.last_initialized,
        "locked": state.locked,
        "l1_block": head.l1_block,
        "start_block": state.start_block,
        "length_blocks": ROUND_BLOCKS,
        "blocks_left": state.start_block + ROUND_BLOCKS - head.l1_block,
    }


async def test_status__of_an_orchestrator__has_everything_of_it(desk: Desk, stage: CouncilStage) -> None:
    await stage.council(ALICE).bonding.unbond(10 * LPT)
    round_ = (await stage.suite.round_state()).current
    told = (await desk.run("status", "--json")).data
    assert (told["address"], told["delegate"], told["unlock_round"]) == (ALICE_TEXT, ALICE_TEXT, None)
    assert (told["stake"], told["lpt"]) == (str(990 * LPT), str(9000 * LPT))
    assert told["locks"] == [{"lock_id": 0, "amount": str(10 * LPT), "withdraw_round": round_ + 1}]
    assert told["transcoder"] == {
        "registered": True,
        "active": True,
        "total_stake": str(990 * LPT),
        "reward_cut": 100_000,
        "fee_share": 400_000,
        "last_reward_round": 0,
        "service_uri": "https://alice.example:8935",
    }
    shown = (await desk.run("status")).out
    assert "990 LPT" in shown
    assert f"0\t10 LPT\t{round_ + 1}\tno\n" in shown


async def test_status__of_somebody_else__needs_no_key(desk: Desk, stage: CouncilStage) -> None:
    (desk.folder / "account.toml").write_text(
        f'[chain]\nrpc_url = "{desk.url}"\naddresses = "{desk.folder}/addresses.json"\n'
    )
    told = (await desk.run("status", "--address", checksum_address(GATEWAY.address), "--json")).data
    assert (told["deposit"], told["reserve"], told["delegate"]) == (str(ETH), str(ETH), None)
    assert (await desk.run("status")).code == 2


async def test_rewards__not_called_yet__says_so(desk: Desk, stage: CouncilStage) -> None:
    told = (await desk.run("rewards", "--json")).data
    assert (told["active"], told["called"], told["stake"], told["fees"]) == (True, False, str(1000 * LPT), "0")


async def test_proposals__from_the_first_to_the_vote__are_told_and_voted_on(desk: Desk, stage: CouncilStage) -> None:
    assert (await desk.run("proposals", "--json")).data == {"proposals": []}
    text = "Pay for the explorer\nin full"
    done = await stage.council(ALICE).council.propose([stage.grant(GATEWAY.address, 5 * LPT)], text)
    id_ = str(done.done.id)
    (told,) = (await desk.run("proposals", "--json")).data["proposals"]
    assert (told["id"], told["state"], told["proposer"], told["description"]) == (id_, "pending", ALICE_TEXT, text)
    assert told["calls"][0]["target"] == checksum_address(stage.suite.address_of("LivepeerToken"))
    await stage.reach(done.done.snapshot + 1)
    voted = await desk.run("vote", id_[:8], "for", "--reason", "it pays", "--json")
    assert voted.data["outcome"] == {
        "proposal_id": id_,
        "voter": ALICE_TEXT,
        "support": "for",
        "weight": str(1000 * LPT),
    }
    one = (await desk.run("proposals", id_[:8], "--json")).data
    assert (one["state"], one["for"], one["against"]) == ("active", str(1000 * LPT), "0")
    (call,) = one["functions"]
    assert call["function"] == "LivepeerToken.transfer(address,uint256)"
    assert list(call["arguments"].values()) == [checksum_address(GATEWAY.address), str(5 * LPT)]
    assert one["votes"] == [{"voter": ALICE_TEXT, "support": "for", "weight": str(1000 * LPT), "reason": "it pays"}]
    shown = (await desk.run("proposals", id_)).out
    assert f"LivepeerToken.transfer({next(iter(call['arguments']))} {checksum_address(GATEWAY.address)}" in shown
    assert "it pays" in shown
    row = (await desk.run("proposals")).out.splitlines()[1].split("\t")
    assert row[:3] == [id_[:12], "active", "1000 LPT"]
    assert row[-1] == "Pay for the explorer"
    again = await desk.run("vote", id_, "against", "--json")
    assert (again.code, again.error["remedy"]) == (3, "each account votes once per proposal")


async def test_queue_and_execute__of_a_proposal_that_succeeded__pay_from_the_treasury(
    desk: Desk, stage: CouncilStage
) -> None:
    done = await stage.council(ALICE).council.propose([stage.grant(GATEWAY.address, 5 * LPT)], "pay")
    id_ = str(done.done.id)
    await stage.reach(done.done.snapshot + 1)
    await stage.council(ALICE).council.cast_vote(done.done.id, Support.FOR)
    early = await desk.run("queue", id_, "--json")
    assert (early.code, "proposal not successful" in early.error["message"]) == (3, True)
    await stage.reach(done.done.deadline + 1)
    assert (await desk.run("queue", id_, "--json")).data["outcome"]["id"] == id_
    assert (await desk.run("execute", id_, "--dry-run", "--json")).data["outcome"] == {"id": id_}
    await desk.run("execute", id_)
    assert await stage.suite.call("LivepeerToken", "balanceOf", [GATEWAY.address]) == (5 * LPT,)


async def test_proposals__an_id_that_is_none__is_refused_with_figures(desk: Desk, stage: CouncilStage) -> None:
    told = await desk.run("proposals", "12")
    assert (told.code, told.err) == (
        1,
        "livepeer-client: InvalidInput: 0 of 0 proposals start with 12, must be one\n",
    )


async def test_votes__of_accounts__are_those_of_the_last_round_that_is_over(desk: Desk, stage: CouncilStage) -> None:
    last = (await stage.suite.round_state()).current - 1
    told = (await desk.run("votes", ALICE_TEXT, checksum_address(STRANGER.address), "--json")).data
    assert (told["round"], told["total"]) == (last, str(1500 * LPT))
    assert [each["votes"] for each in told["accounts"]] == [str(1000 * LPT), "0"]
    future = await desk.run("votes", ALICE_TEXT, "--round", str(last + 1), "--json")
    assert (future.code, future.error["type"]) == (3, "Reverted")
    assert f"queryRound={last + 1}" in future.error["message"]


async def test_treasury__with_settings__is_told(desk: Desk, stage: CouncilStage) -> None:
    told = (await desk.run("treasury", "--json")).data
    assert (told["lpt"], told["eth"], told["quorum"]) == (str(TREASURY_LPT), "0", 333_300)
    shown = (await desk.run("treasury")).out
    assert "10000 LPT" in shown
    assert f"{told['quorum'] / 10_000:g} %" in shown
    assert f"{int(told['reward_cut']) // 10**25} %" in shown


async def test_polls__opened_voted_and_closed__are_counted(desk: Desk, stage: CouncilStage) -> None:
    poll = (await stage.council(ALICE).polls.create(b"QmPoll")).done.poll
    voted = await desk.run("poll-vote", checksum_address(poll), "yes", "--json")
    assert voted.data["outcome"] == {"voter": ALICE_TEXT, "choice": 0}
    await stage.council(STRANGER).polls.vote(poll, PollChoice.NO)
    (told,) = (await desk.run("polls", "--count", "--json")).data["polls"]
    assert (told["proposal"], told["active"], told["yes"], told["no"]) == ("QmPoll", True, str(1000 * LPT), "0")
    await stage.mine(POLL_BLOCKS + 1)
    late = await desk.run("poll-vote", checksum_address(poll), "no")
    assert (late.code, "poll is over" in late.err) == (3, True)
    assert "closed" in (await desk.run("polls")).out


# --- what is printed --------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


TABLE = Table(("name", "value"), [("one\ttwo\nthree", "[bold]x[/bold]\x1b[31m")])


def test_output__lines__carry_nothing_that_a_terminal_obeys(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    Output(as_json=False).show({}, lines=[("text", "a\x1b]0;title\x07b\nc [red]")])
    assert out.getvalue() == "text  a\ufffd]0;title\ufffdb\n      c [red]\n"


def test_output__a_table_in_a_pipe__has_one_line_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    Output(as_json=False).show({}, table=TABLE)
    assert out.getvalue().splitlines()[0] == "name\tvalue"
    assert out.getvalue().splitlines()[1].startswith("one two three\t[bold]x[/bold]")
    assert len(out.getvalue().splitlines()) == 2


def test_output__a_table_on_a_terminal__is_drawn_and_what_others_wrote_is_no_markup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    Output(as_json=False).show({}, table=TABLE)
    assert "┃" in out.getvalue()
    assert "[bold]x[/bold]" in out.getvalue()
    assert "\x1b[31m" not in out.getvalue()


def test_output__json__is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    Output(as_json=True).show({"a": [1, None]}, lines=[("a", "b")], table=TABLE)
    assert json.loads(out.getvalue()) == {"a": [1, None]}
    assert out.getvalue().count("\n") == 1


def test_plain__addresses_amounts_and_numbers__have_their_forms() -> None:
    assert plain(Address(bytes(19) + b"\x01")) == "0x0000000000000000000000000000000000000001"
    assert plain(5, frozenset({"fees"}), "fees") == "5"
    assert plain((5, True, None)) == [5, True, None]
    with pytest.raises(TypeError):
        plain(object())


# --- the gateway's look around ----------------------------------------------------------------------------------------


async def test_discover_and_explain__of_a_pool_that_is_away__say_why_for_each(desk: Desk, stage: CouncilStage) -> None:
    pytest.importorskip("av", reason="needs the extra media")
    for role in (ALICE, BOB):
        await stage.council(role).registry.set_service_uri(f"https://127.0.0.1:{free_port()}")
    desk.use(GATEWAY)
    with (desk.folder / "account.toml").open("a") as file:
        file.write('[gateway]\ndata_dir = "data"\nmax_price_per_unit = 1\ndiscovery_cutoff_s = 2\n')
    told = (await desk.run("gateway", "discover", "--json")).data
    assert (told["usable"], len(told["candidates"])) == (0, 2)
    assert {each["verdict"] for each in told["candidates"]} == {"rejected"}
    one = (await desk.run("gateway", "explain", ALICE_TEXT[:10], "--json")).data
    assert (one["address"], one["stake"], one["price"]) == (ALICE_TEXT, str(1000 * LPT), None)
    assert one["reason"]
    both = await desk.run("gateway", "explain", "https")
    assert (both.code, "2 of 2 orchestrators start with https" in both.err) == (1, True)
    for pipeline, model in (("text-to-image", "small"), ("live-video-to-video", "noop")):
        job = (await desk.run("gateway", "explain", "--pipeline", pipeline, "--model", model, "--json")).data
        assert {each["reject_reason"] for each in job["candidates"]} == {"NO_ANSWER"}
    for words in (["--pipeline", "tell-the-colour", "--model", "eyes"], ["--model", "eyes"]):
        assert (await desk.run("gateway", "explain", *words)).code == 1


def test_show__text_of_several_lines__begins_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).show(
        {}, lines=[("call 1", "pays ann"), ("description", "a grant\ncall 2       \x1b[2Kpays you")]
    )

    told = capsys.readouterr().out
    assert [line[:13].strip() for line in told.splitlines()] == ["call 1", "description", ""]
    assert "\x1b" not in told


def test_call_text__text_as_an_argument__does_not_look_like_another_call() -> None:
    named = NamedCall("ServiceRegistry.setServiceURI(string)", {"uri": "x)\ncall 2       pays you"})
    call = GovernedCall(ALICE.address, Wei(0), b"")
    assert _call_text(call, named) == "ServiceRegistry.setServiceURI(uri x) call 2 pays you)"


def test_run__error_with_what_a_terminal_would_obey__tells_it_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """As the reason of a contract that a proposal calls."""

    async def work() -> None:
        raise Reverted("no\x1b]0;mine\x07\x1b[2K")

    with pytest.raises(SystemExit):
        run(work)
    told = capsys.readouterr().err
    assert "no\ufffd" in told
    assert "\x1b" not in told


def test_run__interrupted_after_something_was_sent__tells_what(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        except asyncio.CancelledError as stopped:
            stopped.add_note("transaction 0x12 was sent and may still be mined")
            raise

    with pytest.raises(SystemExit) as left:
        run(work)
    assert left.value.code == 130
    assert capsys.readouterr().err == "livepeer-client: interrupted: transaction 0x12 was sent and may still be mined\n"
