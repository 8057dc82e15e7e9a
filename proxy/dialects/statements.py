"""Words of an SQL-like text, as far as telling a read from a write needs: InfluxQL, Flux and ClickHouse.

No parser: only what could hide a word is understood (strings, quoted names, comments), and a text that is not understood
to its end is none. A word inside a string is not a word; a comment is a space.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Token(Enum):
    WORD = "word"  # identifiers, keywords, numbers
    NAME = "name"  # a quoted identifier
    STRING = "string"
    SIGN = "sign"  # any other character


@dataclass(frozen=True, slots=True)
class Lexeme:
    kind: Token
    text: str
    """A WORD in upper case; a NAME or STRING without its quotes; a SIGN as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """What a language quotes and comments with. `escapes`: whether a backslash escapes inside quotes."""

    strings: str
    names: str
    line_comments: tuple[str, ...]
    block_comments: bool = True
    escapes: bool = True
    doubled: bool = False
    """Whether a doubled quote stands for itself ('it''s')."""
    regexes: frozenset[str] = frozenset()
    """The words after which a slash begins a regular expression; none: the language has none."""


INFLUXQL = Grammar(
    strings="'", names='"', line_comments=("--",), regexes=frozenset("SELECT FROM WHERE AND OR KEY IN BY".split())
)
CLICKHOUSE = Grammar(strings="'", names='"`', line_comments=("--", "#!", "# "), doubled=True)
FLUX = Grammar(
    strings='"',
    names="",
    line_comments=("//",),
    block_comments=False,
    regexes=frozenset("AND OR NOT RETURN IF".split()),
)


class Undecidable(ValueError):
    """The text ends within a string or a comment, or has characters that lexers treat differently."""


def lex(text: str, grammar: Grammar) -> Iterator[Lexeme]:
    """Raises Undecidable. Control characters other than white space are refused: some servers end a text at NUL."""
    at, length = 0, len(text)
    before: Lexeme | None = None
    while at < length:
        char = text[at]
        lexeme: Lexeme | None = None
        if text.startswith(grammar.line_comments, at):
            end = text.find("\n", at)
            at = length if end < 0 else end + 1
        elif grammar.block_comments and text.startswith("/*", at):
            end = text.find("*/", at + 2)
            if end < 0 or "/*" in text[at + 2 : end]:  # nested ones end differently in different servers
                raise Undecidable("a comment does not end")
            at = end + 2
        elif char in grammar.strings or char in grammar.names:
            inner, at = _quoted(text, at, grammar)
            lexeme = Lexeme(Token.STRING if char in grammar.strings else Token.NAME, inner)
        elif char == "/" and grammar.regexes and not _ends_an_operand(before, grammar):
            # What stands in a regular expression could look like a quote and hide what follows.
            inner, at = _quoted(text, at, grammar)
            lexeme = Lexeme(Token.STRING, inner)
        elif char.isalnum() or char == "_":
            start = at
            while at < length and (text[at].isalnum() or text[at] == "_"):
                at += 1
            if not text[start:at].isascii():
                raise Undecidable("a word is not ASCII")
            lexeme = Lexeme(Token.WORD, text[start:at].upper())
        elif char.isspace() and char.isascii():
            at += 1
        elif char.isascii() and char.isprintable():
            lexeme = Lexeme(Token.SIGN, char)
            at += 1
        else:
            raise Undecidable("a character outside strings is not ASCII")
        if lexeme is not None:
            before = lexeme
            yield lexeme


def statements(text: str, grammar: Grammar) -> list[list[Lexeme]]:
    """The statements between semicolons, empty ones left out. Raises Undecidable."""
    found: list[list[Lexeme]] = [[]]
    for lexeme in lex(text, grammar):
        if lexeme == Lexeme(Token.SIGN, ";"):
            found.append([])
        else:
            found[-1].append(lexeme)
    return [statement for statement in found if statement]


def words(statement: list[Lexeme]) -> list[str]:
    return [lexeme.text for lexeme in statement if lexeme.kind is Token.WORD]


def calls(statement: list[Lexeme]) -> set[str]:
    """Names followed by an opening bracket, in upper case."""
    return {
        lexeme.text.upper()
        for lexeme, after in itertools.pairwise(statement)
        if lexeme.kind in (Token.WORD, Token.NAME) and after.text == "(" and after.kind is Token.SIGN
    }


def _ends_an_operand(lexeme: Lexeme | None, grammar: Grammar) -> bool:
    """Whether a slash after it divides."""
    match lexeme:
        case None:
            return False
        case Lexeme(kind=Token.WORD, text=text):
            return text not in grammar.regexes
        case Lexeme(kind=Token.SIGN, text=text):
            return text in ")]"
        case _:
            return True


def _quoted(text: str, at: int, grammar: Grammar) -> tuple[str, int]:
    """What stands between the quotes, escapes left as they are, and where the text goes on."""
    quote, start = text[at], at + 1
    at = start
    while at < len(text):
        if text[at] == "\\" and grammar.escapes:
            at += 2
        elif text[at] == quote:
            if grammar.doubled and text.startswith(quote, at + 1):
                at += 2
            else:
                return text[start:at], at + 1
        else:
            at += 1
    raise Undecidable("a quote does not end")
