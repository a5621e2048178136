"""Generated wire messages."""
