"""Live runners: heartbeats, challenges, sessions paid by time. Real sockets; only the chain is a fake."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from livepeer_client.codec import live_api, wire
from livepeer_client.policy.runners import DEBIT_S, HEARTBEAT_S, TTL_S
from tests.support.ai import SECRET, until
from tests.support.live_runners import LEASE_S, PAYER, PRICE, Harbour, harbour, paid
from tests.support.shop import EV, GATEWAY, STRANGER_KEY, Session


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Harbour]:
    async with harbour(tmp_path) as opened:
        yield opened


# --- heartbeats -----------------------------------------------------------------------------------


async def test_heartbeat__with_the_secret__joins_and_gives_a_secret_of_its_own(scene: Harbour) -> None:
    answer = (await scene.heartbeat(label="one", version="1.0", metadata="x" * 1024)).json()
    assert answer["heartbeat_interval"] == "5s"
    assert answer["heartbeat_ttl"] == "20s"
    again = await scene.heartbeat(answer["heartbeat_secret"], runner_id=answer["runner_id"], capacity=3)
    assert again.status_code == 200
    assert "heartbeat_secret" not in again.json()
    (entry,) = await scene.runners()
    assert entry["url"] == f"{scene.shop.uri}/apps/{answer['runner_id']}/session"
    assert (entry["app"], entry["capacity"], entry["capacity_available"]) == ("echo", 3, 3)
    assert entry["price_info"] == {"price": PRICE, "currency": "wei", "unit": "seconds"}


async def test_heartbeat__registered_again__makes_the_secret_before_worthless(scene: Harbour) -> None:
    first = (await scene.heartbeat()).json()
    second = (await scene.heartbeat(runner_id=first["runner_id"])).json()
    assert second["runner_id"] == first["runner_id"]
    assert (await scene.heartbeat(first["heartbeat_secret"], runner_id=first["runner_id"])).status_code == 401
    assert (await scene.heartbeat(second["heartbeat_secret"], runner_id=first["runner_id"])).status_code == 200


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], SECRET + "x", "\xff" * 20])
async def test_heartbeat__with_a_wrong_secret__is_401_and_changes_nothing(scene: Harbour, secret: str) -> None:
    runner = await scene.join()
    before = await scene.runners()
    fresh = await scene.http.post(
        "/runners/heartbeat",
        json={},
        headers={"Authorization": secret.encode("latin-1")},  # type: ignore[dict-item]
    )
    assert fresh.status_code == 401
    report = {"runner_id": runner, "runner_url": "http://evil", "app": "evil", "price_info": {"price": 1}}
    taken = await scene.http.post(
        "/runners/heartbeat",
        json=report,
        headers={"Authorization": secret.encode("latin-1")},  # type: ignore[dict-item]
    )
    assert taken.status_code == 401
    assert await scene.runners() == before


async def test_heartbeat__with_another_runners_secret__is_401(scene: Harbour) -> None:
    mine, other = (await scene.heartbeat()).json(), await scene.join()
    assert (await scene.heartbeat(mine["heartbeat_secret"], runner_id=other)).status_code == 401
    left = await scene.http.post(f"/runners/{other}/unregister", headers={"Authorization": mine["heartbeat_secret"]})
    assert left.status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": "x" * 1025},
        {"metadata": "é" * 513},
        {"metadata": 7},
        {"app": ""},
        {"app": "x" * 257},
        {"mode": "forever"},
        {"capacity": -1},
        {"capacity": True},
        {"capacity": 10**9},
        {"runner_id": "../x"},
        {"runner_url": "file:///etc/passwd"},
        {"runner_url": "http://"},
        {"runner_url": "http://h:99999"},
        {"price_info": None},
        {"price_info": {"price": -1, "currency": "wei"}},
        {"price_info": {"price": "1e999999999", "currency": "wei"}},
        {"price_info": {"price": "NaN", "currency": "wei"}},
        {"price_info": {"price": 1, "currency": "wei", "unit": "year"}},
        {"price_info": {"price": 1, "currency": "usd"}},
        {"price_info": {"price": 1, "currency": "gold"}},
        {"gpu": {"vram_mb": -5}},
    ],
)
async def test_heartbeat__that_makes_no_sense__is_400_and_joins_nobody(
    scene: Harbour, changes: dict[str, object]
) -> None:
    assert (await scene.heartbeat(**changes)).status_code == 400
    assert await scene.runners() == []


async def test_heartbeat__larger_than_its_bound__is_413(scene: Harbour) -> None:
    answer = await scene.http.post(
        "/runners/heartbeat", content=b"{" + b" " * (1 << 17), headers={"Authorization": SECRET}
    )
    assert answer.status_code == 413


async def test_discovery__runner_that_went_silent__is_gone_after_the_ttl_and_asked_to_register_again(
    scene: Harbour,
) -> None:
    joined = (await scene.heartbeat()).json()
    await scene.pass_time(TTL_S)
    assert len(await scene.runners()) == 1
    await scene.pass_time(2)
    assert await scene.runners() == []
    answer = await scene.heartbeat(joined["heartbeat_secret"], runner_id=joined["runner_id"])
    assert answer.status_code == 401


async def test_discovery__filtered__names_only_what_fits(scene: Harbour) -> None:
    await scene.join(app="a", gpu={"name": "H100", "vram_mb": 80_000})
    await scene.join(app="b")

    async def apps(query: str) -> list[str]:
        entries = (await scene.http.get(f"/discovery{query}")).json()[0]["runners"]
        return [entry["app"] for entry in entries]

    assert await apps("?app=a&app=b") == ["a", "b"]
    assert await apps("?app=b") == ["b"]
    assert await apps("?gpu=H100") == ["a"]


async def test_unregister__by_the_runner__ends_its_sessions(scene: Harbour) -> None:
    joined = (await scene.heartbeat()).json()
    runner = joined["runner_id"]
    session, _ = await scene.session(runner)
    left = await scene.http.post(f"/runners/{runner}/unregister", headers={"Authorization": joined["heartbeat_secret"]})
    assert left.status_code == 204
    assert (await scene.http.get(f"/apps/{runner}/session/{session}/app/x")).status_code == 404
    assert (await scene.http.post(f"/runners/{runner}/unregister")).status_code == 404


# --- challenge and payment ------------------------------------------------------------------------


async def test_reserve__unpaid__is_a_challenge_bound_to_its_manifest_and_payment_url(scene: Harbour) -> None:
    runner = await scene.join()
    challenge = await scene.challenge(runner)
    assert challenge.info.auth_token is not None
    assert challenge.info.auth_token.session_id == challenge.manifest_id
    assert challenge.payment_url == f"{scene.shop.uri}/apps/{runner}/session/{challenge.manifest_id}/payment"
    assert challenge.info.price_info is not None
    assert challenge.info.price_info.wei_per_pixel == PRICE
    assert challenge.info.address == scene.shop.shop.address
    assert (await scene.runners())[0]["capacity_used"] == 0


@pytest.mark.parametrize("payer", ["", "0x12", "nobody"])
async def test_reserve__without_a_payer__is_400(scene: Harbour, payer: str) -> None:
    runner = await scene.join()
    answer = await scene.http.post(f"/apps/{runner}/session", headers={"Livepeer-Payer-Address": payer})
    assert answer.status_code == 400


async def test_reserve__paid__passes_requests_on_with_the_sessions_headers_and_without_the_payments(
    scene: Harbour,
) -> None:
    runner = await scene.join()
    session, purse = await scene.session(runner)
    forged = {**paid(purse), "Livepeer-Session-Token": "forged", "X-Kept": "yes"}
    answer = await scene.http.put(f"/apps/{runner}/session/{session}/app/a%20b/c?q=1", content=b"hi", headers=forged)
    assert answer.json() == {"path": "/a%20b/c?q=1", "said": "hi"}
    assert answer.headers["X-Runner"] == "echo"
    headers = scene.echo.seen[0].headers
    assert headers["X-Kept"] == "yes"
    assert headers["Livepeer-Session-Id"] == session
    assert headers["Livepeer-Runner-Route"] == runner
    assert headers.getall("Livepeer-Session-Token") != ["forged"]
    assert headers["Livepeer-Session-Control"] == f"{scene.shop.uri}/runner/{runner}/session/{session}"
    assert "Livepeer-Payment" not in headers
    assert "Livepeer-Segment" not in headers


async def test_reserve__with_another_manifest_than_was_challenged__is_403_and_takes_nothing(scene: Harbour) -> None:
    runner = await scene.join()
    purse = scene.purse(await scene.challenge(runner))
    purse.manifest_id = b"another"
    assert (await scene.reserve(runner, purse)).status_code == 403
    assert not scene.shop.shop.store.payments


async def test_reserve__with_a_token_that_no_challenge_gave__is_challenged_and_takes_nothing(scene: Harbour) -> None:
    runner = await scene.join()
    info = await scene.shop.shop.info()
    assert info.auth_token is not None
    purse = Session(scene.shop.shop, info, manifest_id=info.auth_token.session_id.encode())
    assert (await scene.reserve(runner, purse)).status_code == 402
    assert not scene.shop.shop.store.payments


async def test_reserve__with_the_challenge_of_a_cheaper_runner__is_challenged_anew(scene: Harbour) -> None:
    cheap = await scene.join(price_info={"price": 3600, "currency": "wei", "unit": "hour"})
    dear = await scene.join()
    assert (await scene.reserve(dear, scene.purse(await scene.challenge(cheap)))).status_code == 402
    assert not scene.shop.shop.store.payments


async def test_reserve__in_the_name_of_another_payer__is_challenged_anew(scene: Harbour) -> None:
    runner = await scene.join()
    other = {"Livepeer-Payer-Address": "0x" + "77" * 20}
    shop = scene.shop.shop
    shop.chain.senders[b"\x77" * 20] = shop.chain.senders[GATEWAY]  # type: ignore[index]
    shop.chain.claimable[b"\x77" * 20, shop.address] = shop.chain.claimable[GATEWAY, shop.address]  # type: ignore[index]
    answer = await scene.http.post(f"/apps/{runner}/session", headers=other)
    purse = scene.purse(live_api.decode_challenge(answer.content))
    assert (await scene.reserve(runner, purse)).status_code == 402
    assert not shop.store.payments


async def test_reserve__late__is_challenged_anew(scene: Harbour) -> None:
    runner = await scene.join()
    purse = scene.purse(await scene.challenge(runner))
    await scene.pass_time(301, heard=SECRET)
    assert (await scene.reserve(runner, purse)).status_code == 402


async def test_reserve__twice_with_one_challenge__is_409(scene: Harbour) -> None:
    runner = await scene.join(capacity=2)
    _, purse = await scene.session(runner)
    assert (await scene.reserve(runner, purse)).status_code == 409


async def test_reserve__headers_overheard__start_nothing_once_the_session_has_ended(scene: Harbour) -> None:
    runner = await scene.join()
    session, purse = await scene.session(runner)
    overheard = {**PAYER, **paid(purse, 0)}
    assert (await scene.http.post(f"/apps/{runner}/session/{session}/stop")).status_code == 204
    before = scene.charged
    assert (await scene.http.post(f"/apps/{runner}/session", headers=overheard)).status_code == 402
    assert scene.charged == before
    assert scene.balance(session) > 0


async def test_reserve__tickets_that_were_used__is_400_and_leaves_the_place(scene: Harbour) -> None:
    runner = await scene.join(capacity=2)
    _, purse = await scene.session(runner)
    other = scene.purse(await scene.challenge(runner))
    headers = paid(other)
    headers["Livepeer-Payment"] = wire.payment_header(purse.payment_of([1, 2], price=other.info.price_info))
    assert (await scene.http.post(f"/apps/{runner}/session", headers={**PAYER, **headers})).status_code == 400
    assert (await scene.runners())[0]["capacity_used"] == 1


async def test_reserve__runner_leaves_while_the_payment_is_taken__is_no_session_that_nobody_ends(
    scene: Harbour,
) -> None:
    runner = await scene.join()
    purse, store = scene.purse(await scene.challenge(runner)), scene.shop.shop.store
    record, known = store.record_payment, scene.desk.registry.get(runner)
    assert known is not None

    async def slow(*args: object, **options: object) -> object:
        await scene.desk.registry.drop(known, "runner left")
        return await record(*args, **options)  # type: ignore[arg-type]

    store.record_payment = slow  # type: ignore[assignment]
    answer = await scene.reserve(runner, purse)

    assert (answer.status_code, scene.desk._sessions) == (503, {})


async def test_reserve__no_place_left__is_503_before_any_payment(scene: Harbour) -> None:
    runner = await scene.join()
    first, second = scene.purse(await scene.challenge(runner)), scene.purse(await scene.challenge(runner))
    assert (await scene.reserve(runner, first)).status_code == 200
    answer = await scene.reserve(runner, second)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.json()["error"]["message"] == "no capacity available for runner"
    assert len(scene.shop.shop.store.payments) == 1


async def test_reserve__paid_too_little__is_400_and_more_tickets_start_it(scene: Harbour) -> None:
    runner = await scene.join(price_info={"price": 400_000 * 3600, "currency": "wei", "unit": "hour"})
    purse = scene.purse(await scene.challenge(runner))
    assert (await scene.reserve(runner, purse, 1)).status_code == 400
    assert (await scene.reserve(runner, purse, 1)).status_code == 200


async def test_reserve__unknown_runner__is_404(scene: Harbour) -> None:
    assert (await scene.http.post("/apps/none/session", headers=PAYER)).status_code == 404


async def test_pay__for_a_session_that_runs__goes_to_its_balance(scene: Harbour) -> None:
    runner = await scene.join()
    session, purse = await scene.session(runner)
    before = scene.balance(session)
    answer = await scene.http.post(f"/apps/{runner}/session/{session}/payment", headers=paid(purse, 3))
    assert answer.status_code == 200
    assert round(scene.balance(session) - before) == 3 * EV


async def test_pay__strangers_mismatched_or_late__is_refused_and_credits_nothing(scene: Harbour) -> None:
    runner = await scene.join(capacity=2)
    session, purse = await scene.session(runner)
    other, other_purse = await scene.session(runner)
    before = len(scene.shop.shop.store.payments)

    async def pay(to: str, headers: dict[str, str]) -> int:
        return (await scene.http.post(f"/apps/{runner}/session/{to}/payment", headers=headers)).status_code

    assert await pay(session, paid(other_purse)) == 403
    stranger = paid(purse)
    stranger["Livepeer-Segment"] = wire.segment_header(
        purse.credentials(0, b"", profiles=(), capabilities=None, key=STRANGER_KEY)
    )
    assert await pay(session, stranger) == 403
    await scene.http.post(f"/apps/{runner}/session/{session}/stop")
    assert await pay(session, paid(purse)) == 404
    assert len(scene.shop.shop.store.payments) == before
    assert await pay(other, paid(other_purse)) == 200


async def test_refresh_payment__for_a_session__gives_new_terms_for_the_same_payment_url(scene: Harbour) -> None:
    runner = await scene.join()
    session, _ = await scene.session(runner)
    body = live_api.encode_refresh(GATEWAY, session)
    renewed = live_api.decode_challenge((await scene.http.post("/refresh-payment", content=body)).content)
    assert renewed.manifest_id == session
    assert renewed.payment_url.endswith(f"/session/{session}/payment")
    answer = await scene.http.post(f"/apps/{runner}/session/{session}/payment", headers=paid(scene.purse(renewed)))
    assert answer.status_code == 200
    unknown = live_api.encode_refresh(GATEWAY, "none")
    assert (await scene.http.post("/refresh-payment", content=unknown)).status_code == 409


# --- time -----------------------------------------------------------------------------------------


async def test_session__while_it_runs__is_charged_for_its_seconds(scene: Harbour) -> None:
    runner = await scene.join()
    session, _ = await scene.session(runner)
    await scene.pass_time(12, heard=SECRET)
    await scene.http.post(f"/apps/{runner}/session/{session}/stop")
    assert scene.charged == 12 * PRICE
    assert round(scene.balance(session)) == 2 * EV - 12 * PRICE


async def test_session__no_longer_covered__is_released_and_never_overdrawn(scene: Harbour) -> None:
    runner = await scene.join()
    session, purse = await scene.session(runner, 1)
    await scene.pass_time(10 + 2 * DEBIT_S, heard=SECRET)
    await until(lambda: scene.desk.session(runner, session) is None)
    assert 0 <= scene.balance(session) < 1
    assert scene.charged == EV
    gone = await scene.http.post(f"/apps/{runner}/session/{session}/payment", headers=paid(purse))
    assert gone.status_code == 404
    assert (await scene.runners())[0]["capacity_used"] == 0


async def test_session__whose_runner_vanishes__is_released_and_charged_no_further(scene: Harbour) -> None:
    runner = await scene.join()
    session, _ = await scene.session(runner, 30)
    await scene.pass_time(TTL_S + 2)
    await until(lambda: scene.desk.session(runner, session) is None)
    assert scene.charged == HEARTBEAT_S * PRICE
    assert (await scene.http.post(f"/apps/{runner}/session", headers=PAYER)).status_code == 404


async def test_session__that_ends_under_a_request__cuts_it_off(scene: Harbour) -> None:
    runner = await scene.join()
    session, _ = await scene.session(runner)
    async with scene.http.stream("GET", f"/apps/{runner}/session/{session}/app/forever") as answer:
        pieces = answer.aiter_bytes()
        assert await anext(pieces) == b"begun"
        await scene.http.post(f"/apps/{runner}/session/{session}/stop")
        with pytest.raises(httpx.HTTPError):
            await anext(pieces)


async def test_session__at_no_price__needs_no_payment_and_ends_with_its_lease(scene: Harbour) -> None:
    runner = await scene.join(price_info={"price": 0})
    answer = await scene.http.post(f"/apps/{runner}/session")
    session = answer.json()["session_id"]
    await scene.pass_time(LEASE_S, heard=SECRET)
    assert scene.desk.session(runner, session) is not None
    await scene.pass_time(2, heard=SECRET)
    await until(lambda: scene.desk.session(runner, session) is None)


async def test_session__at_a_fixed_price__is_paid_once_and_exactly(scene: Harbour) -> None:
    runner = await scene.join(price_info={"price": 1_500_000, "currency": "wei", "unit": "fixed"})
    session, purse = await scene.session(runner, 2)
    assert scene.charged == 1_500_000
    again = await scene.http.post(f"/apps/{runner}/session/{session}/payment", headers=paid(purse))
    assert again.status_code == 409
    body = live_api.encode_refresh(GATEWAY, session)
    assert (await scene.http.post("/refresh-payment", content=body)).status_code == 409
    await scene.pass_time(LEASE_S + 2, heard=SECRET)
    await until(lambda: scene.desk.session(runner, session) is None)
    assert scene.charged == 1_500_000


async def test_single_shot__paid__is_one_request_and_leaves_its_place(scene: Harbour) -> None:
    runner = await scene.join(mode="single-shot", price_info={"price": 1_000_000, "currency": "wei", "unit": "fixed"})
    assert (await scene.runners())[0]["url"] == f"{scene.shop.uri}/apps/{runner}/app"
    purse = scene.purse(await scene.challenge(runner, "app"))
    answer = await scene.reserve(runner, purse, path="app")
    assert answer.status_code == 200
    assert answer.json()["said"] == "{}"
    assert scene.charged == 1_000_000
    assert (await scene.runners())[0]["capacity_used"] == 0
    assert (await scene.http.post(f"/apps/{runner}/session", headers=PAYER)).status_code == 404


# --- what a runner does for a session -------------------------------------------------------------


async def test_stop_by_runner__needs_the_sessions_own_token(scene: Harbour) -> None:
    runner = await scene.join(capacity=2)
    (session, _), (other, _) = await scene.session(runner), await scene.session(runner)
    tokens = {}
    for each in (session, other):
        await scene.http.get(f"/apps/{runner}/session/{each}/app/")
        tokens[each] = scene.echo.seen[-1].headers["Livepeer-Session-Token"]

    async def stop(named: str, token: str) -> int:
        path = f"/runner/{runner}/session/{named}/stop"
        return (await scene.http.post(path, headers={"Livepeer-Session-Token": token})).status_code

    assert await stop(session, "") == 403
    assert await stop(session, tokens[other]) == 403
    assert await stop(session, tokens[session]) == 204
    assert await stop(session, tokens[session]) == 404
    assert await stop(other, tokens[session]) == 403


async def test_o2r__a_runners_channel__tells_of_its_sessions_and_closes_with_it(scene: Harbour) -> None:
    joined = (await scene.heartbeat()).json()
    o2r, runner = joined["o2r"], joined["runner_id"]
    assert o2r["mime_type"] == "application/json"
    session, _ = await scene.session(runner)
    await scene.http.post(f"/apps/{runner}/session/{session}/stop")
    await scene.pass_time(10, heard=SECRET)
    told = [(await scene.http.get(f"{o2r['url']}/{seq}")).json() for seq in range(3)]
    assert [each.get("event") for each in told] == ["reserved", "released", None]
    assert [each.get("session") for each in told] == [session, session, None]
    assert told[2] == {"keep": "alive"}
    again = await scene.heartbeat(runner_id=runner)
    assert again.json()["o2r"] == o2r
    await scene.pass_time(TTL_S + 2)
    assert (await scene.http.get(f"{o2r['url']}/0")).status_code == 404


async def test_channels__of_a_session__are_the_runners_to_open_and_end_with_it(scene: Harbour) -> None:
    runner = await scene.join(price_info={"price": 0})
    session = (await scene.http.post(f"/apps/{runner}/session")).json()["session_id"]
    await scene.http.get(f"/apps/{runner}/session/{session}/app/")
    headers = scene.echo.seen[0].headers
    token, control = headers["Livepeer-Session-Token"], headers["Livepeer-Session-Control"]

    async def ask(method: str, channels: object, shown: str = token) -> httpx.Response:
        return await scene.http.request(
            method, f"{control}/channels", json={"channels": channels}, headers={"Livepeer-Session-Token": shown}
        )

    video = {"name": "in", "mime_type": "video/MP2T"}
    assert (await ask("POST", [video], "guessed")).status_code == 403
    (opened,) = (await ask("POST", [video])).json()["channels"]
    assert opened["channel_name"] == f"{session}-in"
    assert (await scene.http.post(f"{opened['url']}/0", content=b"frames")).status_code == 200
    assert (await scene.http.get(f"{opened['url']}/0")).content == b"frames"
    # All or none: one name is taken.
    assert (await ask("POST", [{"name": "new", "mime_type": ""}, video])).status_code == 409
    assert (await scene.http.get(f"{scene.shop.uri}/ai/trickle/{session}-new/next")).status_code == 404
    for refused in ([], [{"name": "../x"}], [{"name": "x" * 64}], [video] * 26, "in", [7]):
        assert (await ask("POST", refused)).status_code == 400
    assert (await ask("POST", [{"name": f"c{n}", "mime_type": ""} for n in range(25)])).status_code == 400
    (out,) = (await ask("POST", [{"name": "out", "mime_type": ""}])).json()["channels"]
    assert (await ask("DELETE", ["in", "none"])).json() == {"deleted": ["in"]}
    assert (await scene.http.get(f"{opened['url']}/next")).status_code == 404
    assert (await scene.http.get(f"{out['url']}/next")).status_code == 200
    await scene.http.post(f"/apps/{runner}/session/{session}/stop")
    assert (await scene.http.get(f"{out['url']}/next")).status_code == 404
    assert (await ask("POST", [video])).status_code == 404


async def test_proxy__runner_that_is_not_there__is_502_and_others_are_served(scene: Harbour) -> None:
    dead = await scene.join(runner_url="http://127.0.0.1:1", price_info={"price": 0})
    live = await scene.join(price_info={"price": 0})
    for runner, status in ((dead, 502), (live, 200)):
        session = (await scene.http.post(f"/apps/{runner}/session")).json()["session_id"]
        assert (await scene.http.get(f"/apps/{runner}/session/{session}/app/x")).status_code == status
