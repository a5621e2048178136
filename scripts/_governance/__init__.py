"""Decisions of governance, from a file that people can read to the transaction that carries them out."""
