"""Build adapters, start services, stop them again. No rules."""
