import re
from collections.abc import Callable
from contextlib import suppress
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects import logql, metricsql, promql
from proxy.dialects.lexemes import MOST_LEXEMES, QUOTED, Grammar, Undecidable, lex
from proxy.dialects.promql import Sliceable

GRAMMARS = {"promql": promql._GRAMMAR, "metricsql": metricsql._GRAMMAR, "logql": logql._GRAMMAR}
LANGUAGES = [promql.sliceable, metricsql.sliceable, logql.sliceable]
Language = Callable[[str], Sliceable | None]
MEGABYTE = 1_000_000


def kinds(text: str) -> str:
    return " ".join(str(lexeme.kind) for lexeme in lex(text, Grammar()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \t\r\n# only a comment", ""),
        ("up", "name"),
        ("instance:up:rate5m", "name"),
        (":colon", "name"),
        ("up#c\nup", "name name"),
        ("up#c\r\nup", "name name"),
        ("0x1F 1e3 1E+3 .5 5. 1_000 017", " ".join(["number"] * 7)),
        ("5m 1h30m 100ms 1y2w3d", " ".join(["duration"] * 4)),
        (r"""'it''s' "\"" `\` "é ☃" '"' "\\" "#" '`'""", " ".join(["string"] * 9)),
        ("`raw\nstring`", "string"),
        ('{a="}",b=~\'{\',"c.d"!=`]`,__name__!~"x"}', "selector"),
        ('{ # }\n a = "b" , }', "selector"),
        ("{}", "selector"),
        ("[5m]", "window"),
        ("[ 300\n]", "window"),
        ("[1h:5m]", "subquery"),
        ("[1h:]", "subquery"),
        ("[ 1h : 60 ]", "subquery"),
        ("up-5m", "name sign duration"),
        ("a==b!=c>=d<=e>f<g", "name " + "sign name " * 5 + "sign name"),
        ("(a)@1,-+*/%^", "sign name sign sign number sign" + " sign" * 6),
    ],
)
def test_lexemes(text: str, expected: str) -> None:
    assert kinds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "'a", '"a', "`a", "'a\\'", '"a\nb"', '"a\\\nb"', "up # a\rup", "é", "\u212a", "\xa0", "\f", "\0", "$x", "\\",
        ";", "=", "!", "a.b", "5foo", "0x", "0b1", "1e", "1e5m", "5m5", "1.5h", "5m_", "1.2.3", "[", "]", "[]", "[5m",
        "5m]", "[:5m]", "[5m::]", "[5m:1m:1m]", "[-5m]", "[5m+1m]", "[step()]", "[5m:step()]", "[a]", "[[5m]]",
        "[5m # c\n]", "['5m']", "{", "}", "{a", "{{}}", "{a(b)}", "{@}", "{a='b}", "{5}", "'\ud800'", "# \udcff",
        "`\udfff`", "\ud800",
    ],
)  # fmt: skip
def test_what_is_read_in_several_ways_is_undecidable(text: str) -> None:
    with pytest.raises(Undecidable):
        kinds(text)


@pytest.mark.parametrize("grammar", GRAMMARS.values(), ids=GRAMMARS)
def test_the_scanner_never_goes_back(grammar: Grammar) -> None:
    """No repetition without a bound gives back what it took, and only in strings is one of a group: there it fails where
    the whole does. So a character is looked at a bounded number of times, by every Python.
    """
    for scanner in (grammar.scanner, grammar.within_braces):
        pattern = scanner.pattern
        for quoted in (QUOTED, QUOTED.replace('"', "'")):
            pattern = pattern.replace(quoted, "")
        pattern = re.sub(r"\\.", "c", pattern)
        pattern = re.sub(r"\[[^]]*\]", "c", pattern)
        assert {*re.findall(r".?[*+]\+?", pattern)} == {"c*+", "c++"}


HOSTILE = [
    "(", ")", "[", "{", "{}", "[5m", "'", '"\\', "`", "#", "#\n", "# \r", "1", "1m", "1m:", "0x", "1e", ".", "a", "a(",
    "a:", "@", "@ 1 ", "offset ", "-", " ", "\n", "x[5m]", "sum by(a)(", "{a='b',", "{a,", "[1h:", "a.", "1_", "\ud800",
    "é", "'a' ", "1h-", "|", "| a", "1.5h",
]  # fmt: skip


class Counting:
    """A pattern that counts how often it was applied."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.count = 0
        self._pattern = pattern

    def match(self, text: str, at: int) -> re.Match[str] | None:
        self.count += 1
        return self._pattern.match(text, at)


@pytest.mark.parametrize("grammar", GRAMMARS.values(), ids=GRAMMARS)
@pytest.mark.parametrize("part", HOSTILE)
def test_of_a_hostile_megabyte_a_bounded_number_of_lexemes_is_read(grammar: Grammar, part: str) -> None:
    scanner, within_braces = Counting(grammar.scanner), Counting(grammar.within_braces)
    counting: Grammar = Mock(spec=Grammar, scanner=scanner, within_braces=within_braces)
    read = 0
    with suppress(Undecidable):
        for lexeme in lex(part * (MEGABYTE // len(part)), counting):
            read += len(lexeme.text)
    assert scanner.count + within_braces.count <= MOST_LEXEMES
    assert read <= MEGABYTE


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_megabyte_in_a_string_is_decided(language: Language) -> None:
    pods = "pod-1|" * (MEGABYTE // 6)
    assert language(f'sum(max_over_time({{__name__="x",a=~"{pods}"}}[5m]))') == Sliceable(None)
    assert language(f'sum(max_over_time({{__name__="x",a=~"{pods}"}}[5m])) + nonsense()') is None


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text() | st.text("ab(){}[]@'\"`\\#,:=~!|+-/*. \n\r019mhxe_é\ud800$", max_size=60))
def test_any_text_has_an_answer(language: Language, text: str) -> None:
    decided = language(text)
    assert decided is None or isinstance(decided, Sliceable)
    assert language(text) == decided
