"""A network to develop against: a chain, the suite, orchestrators and a gateway's money, up until Ctrl-C."""
