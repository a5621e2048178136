"""One foreign thing each: node, database, socket, key, codec library. Foreign errors are translated here, once."""
