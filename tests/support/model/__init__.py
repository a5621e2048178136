"""A model of the protocol in plain Python, bit by bit: what every call does, returns, logs and refuses.

Written from the specification and the list of differences (docs/differences.md), in their words and formulas, not from
the contracts: two accounts of the same rules that agree are a test of both. `Model` is the whole; the modules are its
parts, one per contract or concept. Money is int, rounding is the specification's, overflows fail as they do on chain.
"""
