"""Which queries of a request may be answered apart from one another.

Grafana's answer to a query depends on another query of the same request where one speaks of the other: expressions
(`$A`, `SELECT * FROM A`), CloudWatch's metric math (by `id`), Graphite (`#A`). What speaks of what is the plugin's
secret, so every word that could be another query's name counts. To put together what could be apart costs hits; to take
apart what belongs together gives wrong answers.

A request with an expression stays whole: Grafana's expression engine then runs every query of it, and turns what the
sources say into its own series, also for those of which no expression speaks.
"""

import re
from collections.abc import Mapping, Sequence, Set

_NAMES = ("id", "name", "alias")
"""Members by which plugins let one query call another, beside refId."""
_UNSPOKEN = frozenset({"refId", "datasource", "datasourceId"})

_WORD = re.compile(r"\w+")
_MARKED_WORD = re.compile(r"[$#]\{?(\w+)")


def independent(queries: Sequence[Mapping[str, object]], ref_ids: Sequence[str]) -> list[list[int]]:
    """The positions of the queries that belong together, group by group, each and all in the request's order."""
    if len(queries) == 1:
        return [[0]]
    owners: dict[str, list[int]] = {}
    for position, (query, ref_id) in enumerate(zip(queries, ref_ids, strict=True)):
        for name in (ref_id, *(query.get(member) for member in _NAMES)):
            if isinstance(name, str) and name:
                owners.setdefault(name.casefold(), []).append(position)
    phrases = [name for name in owners if not _WORD.fullmatch(name)]
    lengths = sorted({len(name) for name in owners})
    groups = list(range(len(queries)))  # of each position, the lowest one that it belongs with
    for position, query in enumerate(queries):
        text = "\n".join(_strings(query)).casefold()
        for name in _mentioned(text, owners.keys(), phrases, lengths):
            for other in owners[name]:
                _join(groups, position, other)
    found: dict[int, list[int]] = {}
    for position, group in enumerate(groups):
        found.setdefault(group, []).append(position)
    return list(found.values())


def _mentioned(text: str, names: Set[str], phrases: Sequence[str], lengths: Sequence[int]) -> Set[str]:
    """The names that stand in the text as a whole word, or behind a `$`, `${` or `#`, whatever comes after them.

    A name that is no word (`phrases`) counts wherever it stands. `lengths` are the names': a word may be as long as the
    body, and only its beginnings of these lengths are looked at.
    """
    found = names & set(_WORD.findall(text))
    if "$" in text or "#" in text:
        for word in _MARKED_WORD.findall(text):
            found |= names & {word[:length] for length in lengths if length < len(word)}
    return found | {phrase for phrase in phrases if phrase in text}


def _join(groups: list[int], one: int, other: int) -> None:
    low, high = sorted((groups[one], groups[other]))
    if low != high:
        groups[:] = [low if group == high else group for group in groups]


def _strings(query: Mapping[str, object]) -> list[str]:
    """Every string, names of members too, except those that say who the query is and whom it asks."""
    found: list[str] = []
    left: list[object] = [{name: value for name, value in query.items() if name not in _UNSPOKEN}]
    while left:
        each = left.pop()
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, dict):
            found += each
            left += each.values()
        elif isinstance(each, list):
            left += each
    return found
