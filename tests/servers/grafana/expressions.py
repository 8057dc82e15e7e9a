"""Server side expressions, enough to show what depends on what: `reduce` and `math`."""

import ast
import operator
import re
from collections.abc import Mapping
from typing import Any

from .errors import coded
from .query_request import Query

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def needs(query: Query) -> list[str]:
    """The refIds that an expression reads."""
    text = str(query.model.get("expression", ""))
    return _VARIABLE.findall(text) or ([text] if text and query.model.get("type") != "math" else [])


def in_order(queries: list[Query]) -> list[Query]:
    """The expressions, each after those that it reads; raises where one reads what there is not."""
    names = {query.ref_id for query in queries}
    done = {query.ref_id for query in queries if query.source is not None}
    waiting = [query for query in queries if query.source is None]
    ordered: list[Query] = []
    for query in waiting:
        for missing in set(needs(query)) - names:
            message = f"Failed to build expression [{query.ref_id}]: could not find dependent node: {missing}"
            raise coded(400, "sse.dependencyNotFound", message)
    while waiting:
        ready = [query for query in waiting if done.issuperset(needs(query))]
        if not ready:
            raise coded(400, "sse.cycle", "cyclic reference in expression")
        ordered += ready
        done.update(query.ref_id for query in ready)
        waiting = [query for query in waiting if query not in ready]
    return ordered


def evaluate(query: Query, results: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    for name in needs(query):
        if "error" in results[name]:
            message = f"failed to execute query [{name}]: {results[name]['error']}"
            return {"error": message, "errorSource": "downstream", "status": 400}
    values = {name: _number(results[name]) for name in needs(query)}
    if query.model.get("type") == "math":
        text = _VARIABLE.sub(lambda match: str(values[match[1]]), str(query.model.get("expression", "0")))
        value = _arithmetic(ast.parse(text, mode="eval").body)
    else:
        value = next(iter(values.values()), 0.0)
    fields = [{"name": query.ref_id, "type": "number", "typeInfo": {"frame": "float64", "nullable": True}}]
    schema = {"refId": query.ref_id, "meta": {"type": "numeric-multi", "typeVersion": [0, 1]}, "fields": fields}
    return {"status": 200, "frames": [{"schema": schema, "data": {"values": [[value]]}}]}


def _number(result: dict[str, Any]) -> float:
    """The execution of a source's answer, the value of an expression's."""
    values = result["frames"][0]["data"]["values"]
    return float(values[1][0] if len(values) > 1 else values[0][0])


def _arithmetic(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return float(_OPERATORS[type(op)](_arithmetic(left), _arithmetic(right)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_arithmetic(operand)
    raise coded(400, "sse.parseError", "failed to parse expression")
