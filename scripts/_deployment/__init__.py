"""How a protocol gets onto a chain: steps, the journal that survives a crash, and what must be true afterwards.

site      what can be asked of the chain          steps     one change each, with how to see that it is made
journal   what was intended and what came of it   run       takes steps, skips those made, sends the rest
checks    expected against found, on the whole    upgrade   new code behind a proxy
"""
