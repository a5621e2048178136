"""Which lines of the contracts ran, modules included."""
