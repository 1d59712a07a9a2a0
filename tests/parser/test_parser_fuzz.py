"""Whatever the text, the parser gives a tree or an error of ours; and in any thread."""

from __future__ import annotations

import random
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from eventdb import errors
from eventdb.sql.parser import ast, parse, render
from eventdb.sql.parser.keywords import KEYWORDS

TOKENS = [
    *KEYWORDS, "a", "b", "t", '"q"', "1", "2.5", "'s'", "E'\\n'", "X'00'", "$$d$$", "?", ":p", "(", ")", "(", ")", ",", ",", ".", ";",
    "*", "+", "-", "/", "%", "^", "=", "<>", "<", ">=", "||", "->", "->>", "~", "::", "int", "date", "current_date", "double", "precision",
    "conflict", "ordinality", "data", "sets", "--", "/*", "*/", "'", '"', "\\", "@", "$1", "[", "\n", "é", "\x00",
]  # fmt: skip


def accept(text: str) -> bool:
    """Whether a text parses; anything but an error of ours is a failure of the test."""
    try:
        script = parse(text)
    except errors.Error as error:
        place, message = error.position, str(error)
    else:
        place, message = None, ""
    if message:
        assert place is None or 0 <= place <= len(text)
        return False
    for statement in script.statements:
        assert isinstance(statement, ast.Node)
        if "?" not in text:
            assert parse(render(statement)).statements == (statement,), text
    return True


@given(st.lists(st.sampled_from(TOKENS), max_size=12))
@settings(max_examples=200, deadline=None)
def test_token_soup(tokens: list[str]) -> None:
    """Random tokens in random order."""
    accept(" ".join(tokens))


@given(st.text(max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_text(text: str) -> None:
    """Any characters at all."""
    accept(text)


def test_mutated_statements(statements: list[str]) -> None:
    """Real statements with tokens dropped, doubled, swapped or replaced; some still parse, and then render back."""
    chance = random.Random(20)
    accepted = 0
    for text in statements * 3:
        words = text.split(" ")
        for _ in range(chance.randint(1, 2)):
            place = chance.randrange(len(words))
            match chance.randrange(4):
                case 0:
                    del words[place]
                case 1:
                    words.insert(place, words[place])
                case 2:
                    words[place] = chance.choice(TOKENS)
                case 3:
                    words.insert(place, chance.choice(TOKENS))
            words = words or ["SELECT"]
        accepted += accept(" ".join(words))
    assert accepted > 50


def test_prefixes_of_statements(statements: list[str]) -> None:
    """A statement cut anywhere."""
    for text in statements:
        for length in range(0, len(text), 17):
            accept(text[:length])


def test_threads_parse_side_by_side(statements: list[str]) -> None:
    """Several threads parse everything at once and get what one thread gets."""
    expected = [parse(text) for text in statements]
    results: list[bool] = []

    def work() -> None:
        results.append([parse(text) for text in statements] == expected)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_error_leaves_the_parser_usable() -> None:
    """After an error in the middle of anything the next parse is a fresh one."""
    for text in ("SELECT (1", "UPDATE t SET a = 1 + DEFAULT", "SELECT DEFAULT FROM", "SELECT 'x", "/*"):
        assert not accept(text)
        assert accept("SELECT 1")
