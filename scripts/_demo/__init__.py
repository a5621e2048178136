"""`make demo`: the whole network on a local chain, with real processes, real video and real payments."""
