r"""Lexemes of PromQL and the languages made after it: as much as deciding what a query depends on needs.

A scanner is one regular expression, applied where the last lexeme ended. It never goes back: no repetition gives back what
it took, and none is of a group that could fail half-way, for Python before 3.11.5 then forgets where it was. So a text of
any kind is read in linear time, or refused. What stands in braces is one lexeme, and so is a window in brackets: all that
may stand there is known, names, matchers and strings here, durations there. A text is refused where two readers of it
could differ: characters that are not ASCII outside strings and comments, a comment that ends with a bare \r, halves of a
surrogate pair, a number that runs into a name.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple


class Token(StrEnum):
    NAME = "name"  # identifiers and keywords
    NUMBER = "number"
    DURATION = "duration"  # 1h30m: never negative
    STRING = "string"
    SELECTOR = "selector"  # {…}
    WINDOW = "window"  # [5m]
    SUBQUERY = "subquery"  # [1h:] and [1h:5m]
    SIGN = "sign"


class Lexeme(NamedTuple):
    kind: Token | None
    text: str


END = Lexeme(None, "")
OPEN = Lexeme(Token.SIGN, "(")
CLOSE = Lexeme(Token.SIGN, ")")
COMMA = Lexeme(Token.SIGN, ",")
AT = Lexeme(Token.SIGN, "@")

MOST_LEXEMES = 20_000
"""White space and comments included. A person's query has a few dozen; one that a program wrote is long for the strings
in it. To read as many takes some 20 ms.
"""


class Undecidable(ValueError):
    """The text is not of the language as far as it is known here, or is read differently by different servers."""


_SURROGATES = r"\ud800-\udfff"
_SPACE = rf"[ \t\n\r]++|\#[^\r\n{_SURROGATES}]*+(?=\r?\n|\Z)"
QUOTED = rf'"(?:[^"\\\n{_SURROGATES}]++|\\[^\n{_SURROGATES}])*+"'
_APOSTROPHES = QUOTED.replace('"', "'")
RAW = rf"`[^`{_SURROGATES}]*+`"
STRING = rf"{QUOTED}|{_APOSTROPHES}|{RAW}"
NAME = r"[A-Za-z_:][0-9A-Za-z_:]*+(?!\.)"
DURATION = r"(?:[0-9]++(?:ms|[smhdwy])){1,7}(?![0-9A-Za-z_.])"
NUMBER = (
    r"(?:0[xX][0-9A-Fa-f_]++|(?:[0-9][0-9_]*+(?:\.[0-9_]*+)?|\.[0-9][0-9_]*+)(?:[eE][-+]?[0-9]++)?)"
    r"(?![0-9A-Za-z_.])"
)
SIGN = r"[-+*/%^(),@]|[=!<>]=|[<>]"


class Grammar:
    """Patterns of a language's lexemes; of two that fit, the one named first counts."""

    def __init__(
        self,
        *,
        string: str = STRING,
        name: str = NAME,
        number: str = NUMBER,
        duration: str = DURATION,
        sign: str = SIGN,
    ) -> None:
        blank, length = r"[ \t\n\r]*+", f"(?:{duration}|{number})"
        patterns = {
            Token.NAME: name,
            Token.STRING: string,
            Token.SELECTOR: r"\{",  # where it begins
            Token.WINDOW: rf"\[{blank}{length}{blank}\]",
            Token.SUBQUERY: rf"\[{blank}{length}{blank}:{blank}(?:{length}{blank})?\]",
            Token.DURATION: duration,
            Token.NUMBER: number,
            Token.SIGN: sign,
        }
        named = "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in patterns.items())
        self.scanner = re.compile(f"{_SPACE}|{named}")
        self.within_braces = re.compile(rf"{_SPACE}|{NAME}|{string}|[=!]~|!=|=|,|(?P<end>\}})")


def lex(text: str, grammar: Grammar) -> Iterator[Lexeme]:
    """The lexemes; white space and comments are left out. Raises Undecidable."""
    at, braces_at = 0, -1
    for _ in range(MOST_LEXEMES):
        if at == len(text) and braces_at < 0:
            return
        scanner = grammar.scanner if braces_at < 0 else grammar.within_braces
        found = scanner.match(text, at)
        if found is None:
            raise Undecidable
        begin, at = at, found.end()
        match found.lastgroup:
            case None:
                pass
            case Token.SELECTOR:
                braces_at = begin
            case "end":
                yield Lexeme(Token.SELECTOR, text[braces_at:at])
                braces_at = -1
            case kind:
                yield Lexeme(Token(kind), found[0])
    raise Undecidable


def with_next(lexemes: Iterator[Lexeme]) -> Iterator[tuple[Lexeme, Lexeme]]:
    """Each lexeme and the one after it; after the last there is END."""
    lexeme = next(lexemes, END)
    while lexeme is not END:
        after = next(lexemes, END)
        yield lexeme, after
        lexeme = after
