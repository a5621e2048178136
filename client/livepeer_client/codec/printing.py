"""Text of others, for a terminal."""


def harmless(text: str) -> str:
    """Without what a terminal would obey or hide; lines and tabs stay."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def on_one_line(text: str) -> str:
    """The same as one line, which nothing in it ends: what others wrote must not pass for another row."""
    return harmless(" ".join(text.split()))
