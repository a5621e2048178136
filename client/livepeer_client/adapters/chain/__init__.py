"""The deployed suite over JSON-RPC: one batching client, one ABI codec, typed reads and writes."""
