"""What others wrote, as it comes to a terminal."""

from livepeer_client.codec.printing import harmless, on_one_line

# Sets the title, clears the line, goes up, turns the direction of writing round.
OBEYED = "\x1b]0;mine\x07 \x1b[2K \x1b[1A \r \u202e \x9b2J"


def test_harmless__what_a_terminal_would_obey__is_replaced() -> None:
    assert all(char.isprintable() for char in harmless(OBEYED))
    assert harmless("two\nlines,\ttabs, ünï, 🙂") == "two\nlines,\ttabs, ünï, 🙂"


def test_on_one_line__of_several__is_one() -> None:
    assert on_one_line(f"a\n b\t\tc{OBEYED}\u2028d").isprintable()
    assert on_one_line("a\n b\t\tc") == "a b c"
