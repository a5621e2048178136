"""The official SDK's side of the fan-out benchmark; runs in its own environment, `.tools/sdk`.

For each JSON line on its standard input, `{"uris": [...], "wanted": n}`, it asks them with a new cursor and answers
with `{"first_s", "all_s", "cpu_s", "good"}`: seconds until `wanted` good answers were there and until it was through.
Certificates that it has seen are remembered from one line to the next, as by a client that goes on.
"""

import json
import sys
import time

from livepeer_gateway.capabilities import CapabilityId, build_capabilities
from livepeer_gateway.errors import NoOrchestratorAvailableError
from livepeer_gateway.selection import SelectionCursor


def probe(uris: list[str], wanted: int) -> dict[str, object]:
    cursor = SelectionCursor(uris, capabilities=build_capabilities(CapabilityId.LIVE_VIDEO_TO_VIDEO, "noop"))
    first_s, good = None, 0
    started, cpu = time.perf_counter(), time.process_time()
    while True:
        try:
            cursor.next()
        except NoOrchestratorAvailableError:
            break
        good += 1
        if good == wanted:
            first_s = time.perf_counter() - started
    return {
        "first_s": first_s,
        "all_s": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu,
        "good": good,
    }


for line in sys.stdin:
    request = json.loads(line)
    sys.stdout.write(json.dumps(probe(request["uris"], request["wanted"])) + "\n")
    sys.stdout.flush()
