"""Commands that spend: tried, made, and refused, on the real contracts."""

import asyncio
import subprocess
import sys

import pytest

from livepeer_client.codec.address import checksum_address
from livepeer_client.types import Wei
from tests.client.cli.conftest import Desk
from tests.support.anvil import ALICE, BOB, ETH, GATEWAY, LPT, STRANGER, Role
from tests.support.anvil_governance import CouncilStage

NEWCOMER = Role("newcomer")


async def test_fund__with_units__adds_exactly_that(desk: Desk, stage: CouncilStage) -> None:
    desk.use(GATEWAY)
    before = await stage.suite.sender_info(GATEWAY.address)
    done = await desk.run("fund", "--deposit", "1.5eth", "--reserve", "20gwei", "--json")
    after = await stage.suite.sender_info(GATEWAY.address)
    assert after.deposit - before.deposit == 15 * ETH // 10
    assert after.reserve - before.reserve == 20 * 10**9
    assert done.data["outcome"] == {
        "sender": checksum_address(GATEWAY.address),
        "deposit": "1500000000000000000",
        "reserve": "20000000000",
        "unlock_cancelled": False,
    }
    assert set(done.data) == {"dry_run", "outcome", "gas", "cost", "tx_hash", "block", "before"}
    assert done.data["block"] == await stage.suite.height()


async def test_fund__dry_run__says_the_same_and_sends_nothing(desk: Desk, stage: CouncilStage) -> None:
    desk.use(GATEWAY)
    height = await stage.suite.height()
    tried = await desk.run("fund", "--deposit", "1", "--dry-run", "--json")
    assert tried.data["dry_run"] is True
    assert tried.data["outcome"]["deposit"] == "1"
    assert (tried.data["tx_hash"], tried.data["block"]) == (None, None)
    assert tried.data["gas"] > 21_000
    assert await stage.suite.height() == height


async def test_fund__in_a_pipe__is_plain_lines_with_units(desk: Desk, stage: CouncilStage) -> None:
    desk.use(GATEWAY)
    told = await desk.run("fund", "--deposit", "0.25eth", "--dry-run")
    assert told.code == 0
    lines = dict(line.split("  ", 1) for line in told.out.splitlines())
    assert lines["deposit"].strip() == "0.25 ETH"
    assert lines["sent"].strip() == "nothing: a dry run"
    assert "\x1b" not in told.out


async def test_fund__for_somebody_else__is_theirs(desk: Desk, stage: CouncilStage) -> None:
    desk.use(GATEWAY)
    done = await desk.run("fund", "--deposit", "3", "--for", checksum_address(STRANGER.address), "--json")
    assert done.data["outcome"]["sender"] == checksum_address(STRANGER.address)
    assert (await stage.suite.sender_info(STRANGER.address)).deposit == 3


@pytest.mark.parametrize("amount", ["1.5", "1,5eth", "-1eth", "1e18", "1lpt", "0.0000000000000000001eth", "eth", ""])
async def test_fund__an_amount_that_is_not_exact__is_refused_before_anything_is_asked(desk: Desk, amount: str) -> None:
    told = await desk.run("fund", f"--deposit={amount}", "--set", "chain.rpc_url=http://127.0.0.1:1")
    assert told.code == 2
    assert "such as 1.5eth" in told.err or "write 1.5eth" in told.err


async def test_fund__nothing__is_refused(desk: Desk) -> None:
    told = await desk.run("fund")
    assert told.code == 2
    assert "--deposit, --reserve or both" in told.err


async def test_fund__more_than_the_key_has__states_both_figures_and_what_helps(desk: Desk, stage: CouncilStage) -> None:
    desk.use(GATEWAY)
    told = await desk.run("fund", "--deposit", "5000eth")
    assert told.code == 4
    assert "5000" in told.err
    assert f"send ETH to {checksum_address(GATEWAY.address)}" in told.err
    assert (await desk.run("fund", "--deposit", "5000eth", "--json")).error["type"] == "InsufficientFunds"


async def test_fund__while_gas_costs_more_than_the_limit__names_the_setting(desk: Desk, stage: CouncilStage) -> None:
    told = await desk.run("fund", "--deposit", "1", "--set", "chain.max_base_fee_wei=1")
    assert told.code == 5
    assert "exceeds the limit of 1 wei" in told.err
    assert "max_base_fee_wei" in told.err


async def test_unlock_cancel_and_withdraw__in_order__do_what_they_say(desk: Desk, stage: CouncilStage) -> None:
    desk.use(GATEWAY)
    round_ = (await stage.suite.round_state()).current
    early = await desk.run("withdraw", "--json")
    assert (early.code, early.error["type"]) == (3, "Reverted")
    assert "livepeer-client unlock" in early.error["remedy"]
    assert (await desk.run("unlock", "--json")).data["outcome"]["withdraw_round"] == round_ + 2
    assert (await desk.run("cancel-unlock", "--json")).data["outcome"]["sender"] == checksum_address(GATEWAY.address)
    await desk.run("unlock")
    for _ in range(2):
        await stage.next_round()
    done = await desk.run("withdraw", "--json")
    assert done.data["outcome"] == {"deposit": str(ETH), "reserve": str(ETH)}


async def with_lpt(stage: CouncilStage, amount: int) -> None:
    await stage.rpc.call("anvil_setBalance", ["0x" + NEWCOMER.address.hex(), hex(ETH)])
    await stage.transactor(BOB).send("LivepeerToken", "transfer", [NEWCOMER.address, amount])


async def test_bond__by_a_newcomer__allows_exactly_that_and_bonds(desk: Desk, stage: CouncilStage) -> None:
    await with_lpt(stage, 50 * LPT)
    desk.use(NEWCOMER)
    alice = checksum_address(ALICE.address)
    tried = await desk.run("bond", "10lpt", "--to", alice, "--dry-run", "--json")
    assert tried.data["before"]["approve"]["dry_run"] is True
    assert tried.data["gas"] > 100_000
    done = await desk.run("bond", "10lpt", "--to", alice, "--json")
    assert tried.data["outcome"] == done.data["outcome"]
    assert (done.data["outcome"]["added"], done.data["outcome"]["delegate"]) == (str(10 * LPT), alice)
    assert done.data["before"]["approve"]["outcome"]["amount"] == str(10 * LPT)
    bonding = await stage.suite.address("BondingManager")
    assert await stage.suite.call("LivepeerToken", "allowance", [NEWCOMER.address, bonding]) == (0,)


async def test_bond__more_than_the_key_has__states_both_figures(desk: Desk, stage: CouncilStage) -> None:
    await with_lpt(stage, 5 * LPT)
    desk.use(NEWCOMER)
    told = await desk.run("bond", "10lpt", "--to", "self")
    assert told.code == 1
    assert "holds 5 LPT, not 10" in told.err


async def test_bond__dry_run_that_the_contract_would_refuse__says_so_before_anything_is_allowed(
    desk: Desk, stage: CouncilStage
) -> None:
    # A registered transcoder may not move its stake to another.
    told = await desk.run("bond", "1lpt", "--to", checksum_address(BOB.address), "--dry-run", "--json")
    assert (told.code, told.error["type"]) == (3, "Reverted")
    assert "registered transcoders can't delegate towards other addresses" in told.error["message"]


async def test_bond__without_a_delegate__goes_to_the_one_that_is_set_or_asks_for_one(
    desk: Desk, stage: CouncilStage
) -> None:
    await with_lpt(stage, 5 * LPT)
    desk.use(NEWCOMER)
    told = await desk.run("bond", "1lpt")
    assert (told.code, "--to self to become a transcoder" in told.err) == (1, True)
    bob = checksum_address(BOB.address)
    await desk.run("bond", "1lpt", "--to", bob)
    more = await desk.run("bond", "1lpt", "--json")
    assert (more.data["outcome"]["delegate"], more.data["outcome"]["bonded"]) == (bob, str(2 * LPT))
    own = await desk.run("bond", "1lpt", "--to", "self", "--json")
    assert own.data["outcome"]["delegate"] == checksum_address(NEWCOMER.address)


async def test_unbond_rebond_and_withdraw__a_lock__moves_the_stake(desk: Desk, stage: CouncilStage) -> None:
    first = await desk.run("unbond", "100lpt", "--json")
    assert (first.data["outcome"]["lock_id"], first.data["outcome"]["amount"]) == (0, str(100 * LPT))
    assert (await desk.run("rebond", "0", "--json")).data["outcome"]["amount"] == str(100 * LPT)
    await desk.run("unbond", "100lpt")
    early = await desk.run("withdraw-stake", "1")
    assert early.code == 3
    round_ = (await stage.suite.round_state()).current
    assert "withdraw round must be before or equal to the current round" in early.err
    assert f"it is round {round_}, open locks: 1 from round {round_ + 1} on" in early.err
    await stage.next_round()
    done = await desk.run("withdraw-stake", "1", "--json")
    assert done.data["outcome"] == {"lock_id": 1, "amount": str(100 * LPT)}


async def test_unbond__more_than_is_bonded__is_refused_with_the_contracts_reason(
    desk: Desk, stage: CouncilStage
) -> None:
    told = await desk.run("unbond", "1000000lpt", "--json")
    assert told.code == 3
    assert "amount is greater than bonded amount; bonded are 1000 LPT" in told.error["message"]
    assert "status" in told.error["remedy"]


async def test_withdraw_fees__without_an_amount__takes_all_of_them(desk: Desk, stage: CouncilStage) -> None:
    none = await desk.run("withdraw-fees")
    assert none.code == 1
    assert "0 ETH of fees" in none.err
    winner = await stage.winner(face_value=Wei(ETH // 100))
    await stage.council(STRANGER).broker.redeem(winner)
    fees = (await stage.suite.orchestrator_state(ALICE.address)).pending_fees
    done = await desk.run("withdraw-fees", "--to", checksum_address(STRANGER.address), "--json")
    assert done.data["outcome"] == {"recipient": checksum_address(STRANGER.address), "amount": str(fees)}
    assert fees > 0


async def test_set_rates__in_percent__are_exact_parts_of_a_million(desk: Desk, stage: CouncilStage) -> None:
    await stage.council(ALICE).bonding.reward()
    done = await desk.run("set-rates", "--reward-cut", "12.5%", "--fee-share", "60%", "--json")
    assert (done.data["outcome"]["reward_cut"], done.data["outcome"]["fee_share"]) == (125_000, 600_000)
    assert done.data["outcome"]["joined"] is False
    told = await desk.run("set-rates", "--reward-cut", "12.5%", "--fee-share", "60%")
    assert "new place in the pool  no: it has one, or its stake does not suffice for one" in told.out
    assert (await desk.run("set-rates", "--reward-cut", "101%", "--fee-share", "0%")).code == 2


async def test_set_uri__of_an_orchestrator__is_published(desk: Desk, stage: CouncilStage) -> None:
    done = await desk.run("set-uri", "https://new.example:8935", "--json")
    assert done.data["outcome"]["uri"] == "https://new.example:8935"
    assert await stage.suite.service_uris([ALICE.address]) == ["https://new.example:8935"]
    assert (await desk.run("set-uri", "new.example")).code == 2


async def test_rewards_and_rounds__called__open_the_round_and_claim(desk: Desk, stage: CouncilStage) -> None:
    await stage.next_round(initialize=False)
    early = await desk.run("rewards", "--call")
    assert early.code == 3
    assert "livepeer-client rounds --initialize" in early.err
    opened = await desk.run("rounds", "--initialize", "--json")
    assert opened.data["outcome"]["round"] == (await stage.suite.round_state()).current
    done = await desk.run("rewards", "--call", "--json")
    assert int(done.data["outcome"]["amount"]) > 0
    assert (await desk.run("rewards", "--json")).data["called"] is True


async def test_call__over_a_dead_url__says_which_setting_to_look_at(desk: Desk) -> None:
    told = await desk.run("unlock", "--set", "chain.rpc_url=http://user:secret@127.0.0.1:1/key")
    assert told.code == 5
    assert "LIVEPEER_CHAIN_RPC_URL" in told.err
    assert "secret" not in told.err


async def test_call__as_a_process__has_the_same_exit_code_and_json(desk: Desk, stage: CouncilStage) -> None:
    program = [sys.executable, "-m", "livepeer_client", "unbond", "1lpt", "--dry-run", "--json"]
    command = [*program, "--config", str(desk.folder / "account.toml")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"dry_run": true' in done.stdout
