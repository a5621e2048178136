"""The operator's board in a terminal, and the same in a browser. textual and textual-serve are the extra `dash`."""
