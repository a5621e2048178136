"""Parts of segments at an orchestrator: done, charged and refused."""

from dataclasses import replace

from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import Slice, TranscodeResult
from livepeer_client.services.work import Refused
from tests.client.services.test_work import PIXELS, post
from tests.support.shop import PROFILES, Shop


async def test_segment__parts_of_one__are_each_done_and_charged_once_and_lie_apart() -> None:
    shop = Shop()
    session = await shop.session()
    names = set()
    for part, frames in ((Slice(0, 500), 15), (Slice(500, 1500), 30), (Slice(0, 500), 15)):
        result = await post(session, session.payment(10), session.credentials(slice=part))
        assert isinstance(result, TranscodeResult)
        assert [each.pixels for each in result.segments] == [p.width * p.height * frames for p in PROFILES]
        names |= {each.url.rpartition("/")[2] for each in result.segments}
    assert names == {"0-0-500.ts", "0-500-1500.ts"}
    assert [debit.pixels for debit in shop.store.debits] == [PIXELS // 4, PIXELS // 2]


async def test_segment__a_part_where_none_are_cut__is_incompatible() -> None:
    shop = Shop()
    session = await shop.session()
    offer = shop.advertise.offer
    without = replace(offer.capabilities, bits=offer.capabilities.bits - {Capability.SEGMENT_SLICING})
    shop.advertise._offer = replace(offer, capabilities=without)
    refused = await post(session, credentials=session.credentials(slice=Slice(0, 500)))
    assert refused == Refused(403, "incompatible capabilities")
