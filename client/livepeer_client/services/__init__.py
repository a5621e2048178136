"""Loops that join ports and policy: they decide nothing themselves and know no adapter."""
