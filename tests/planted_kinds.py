"""The kinds of errors that can be planted in a reader: each is one attribute of one node of its syntax tree."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

# What these are given is no reading: questions, manners of sockets, sentences.
NO_READING = {"Request", "Manners", "PriceTalk", "TickerStream", "Pool", "Endpoint", "CredentialField", "encode_json",
              "row_of", "rows_of", "Ends", "Broken", "Answered", "TypeVar", "KeyRejected", "isinstance"}  # fmt: skip
NO_READER = re.compile(r"_?(\w*_)?(ask|meaning|address|stream|topic|talk|say|url)(_\w+)?|__init__|deadline|follow|open"
                       r"|outbox|tick|receive|_catch_up")  # fmt: skip
READS_STREAM = {"read_stream"}
ATTRIBUTES = {
    "Side": {"BUY": "SELL", "SELL": "BUY"},
    "TakerOrMaker": {"TAKER": "MAKER", "MAKER": "TAKER"},
    "Verdict": {"YES": "NO", "NO": "YES", "UNKNOWN": "NO"},
    "Product": {"SPOT": "LINEAR", "LINEAR": "SPOT", "INVERSE": "LINEAR", "MARGIN": "SPOT", "OPTION": "LINEAR"},
    "Kind": defaultdict(lambda: "TRADE", TRADE="ADL"),
}
NAMES = {"millis": "nanos", "nanos": "millis", "min": "max", "max": "min", "any": "all", "all": "any"}
MEMBERS = {"base": "quote", "quote": "base", "removeprefix": "removesuffix", "startswith": "endswith"}
INVERTED = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn,
            ast.NotIn: ast.In, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt}  # fmt: skip
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
             ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And}  # fmt: skip
SUMS = {"exact_product", "product", "quotient", "total", "exact_total", "identity"}
NEIGHBOURS = (
    ("exchange_trade_id", "trade_id", "order_id", "client_order_id"),
    ("price", "amount", "quantity", "contracts", "cost"),
    ("total", "free", "used"),
    ("last", "bid", "ask"),
    ("can_read", "can_trade", "can_withdraw"),
)
MADE = {"Trade", "Balance", "KeyReport", "Ticker", "Movement", "Wallets", "Heard"}

Fields = Mapping[str, Mapping[str, set[str]]]


@dataclass(frozen=True)
class Error:
    """One error: what it is, where, and the attribute of a node that becomes another."""

    function: str  # empty: it stands outside of functions
    lines: range
    what: str
    node: ast.AST
    attribute: str
    value: Any


def errors(tree: ast.Module, fields: Fields) -> list[Error]:
    """Every error that can be planted in a file."""
    return list(_within(tree, "", fields))


def _within(node: ast.AST, function: str, fields: Fields) -> Iterator[Error]:
    if isinstance(node, ast.FunctionDef) and NO_READER.fullmatch(node.name) and node.name not in READS_STREAM:
        return
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.arguments | ast.AnnAssign):
        if not (isinstance(node, ast.AnnAssign) and node.value):
            return
        node = node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NO_READING:
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    children: Iterable[ast.AST]
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        function, children = (node.name if isinstance(node, ast.FunctionDef) else ""), node.body
    else:
        children = _readable(node)
        for where, what, place, attribute, value in _of(node, fields):
            lines = range(where.lineno, (where.end_lineno or where.lineno) + 1)  # type: ignore[attr-defined]
            yield Error(function, lines, what, place, attribute, value)
    for child in children:
        yield from _within(child, function, fields)


def _readable(node: ast.AST) -> Iterable[ast.AST]:
    """The parts of a node that are looked at themselves."""
    if (
        isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Constant)
        and isinstance(node.ops[0], ast.In | ast.NotIn)
    ):
        return node.comparators
    return ast.iter_child_nodes(node)


_Found = tuple[ast.AST, str, ast.AST, str, Any]


def _of(node: ast.AST, fields: Fields) -> Iterator[_Found]:  # noqa: C901, PLR0912 — one case for each kind of node
    """What can be wrong with one node: where it is, what it is, and the attribute with its other value."""
    written = ast.unparse(node)[:90] if isinstance(node, ast.expr) else ""
    match node:
        case ast.Constant(value=bool(value)):
            yield node, f"{value} is {not value}", node, "value", not value
        case ast.Constant(value=int(value)):
            yield node, f"{value} is {value + 1}", node, "value", value + 1
        case ast.Constant(value=str(value)) if value and " " not in value:
            yield node, f"{value!r} is unknown", node, "value", f"{value}_"
            for other in sorted(fields.get(value, ())):
                yield node, f"{other!r} instead of {value!r}", node, "value", other
        case ast.Compare(left=ast.Constant(value=str(value)), ops=[ast.In() | ast.NotIn()]):
            # Whether a field is there tells shapes of messages apart: its neighbours are there as well.
            yield node, f"{value!r} is unknown", node, "left", ast.Constant(f"{value}_")
            yield node, f"inverted: {written}", node, "ops", [INVERTED[type(node.ops[0])]()]
        case ast.Compare(ops=[operator]) if type(operator) in INVERTED:
            yield node, f"inverted: {written}", node, "ops", [INVERTED[type(operator)]()]
        case ast.BoolOp() | ast.BinOp() if type(node.op) in OPERATORS:
            yield node, f"another operator: {written}", node, "op", OPERATORS[type(node.op)]()
        case ast.UnaryOp(op=ast.USub()):
            yield node, f"a sign is lost: {written}", node, "op", ast.UAdd()
        case ast.UnaryOp(op=ast.Not()):
            yield node, f"inverted: {written}", node, "operand", ast.UnaryOp(ast.Not(), node.operand)
        case ast.If() | ast.IfExp() | ast.While() if not _inverts_by_itself(node.test):
            yield node.test, f"inverted: {ast.unparse(node.test)[:90]}", node, "test", _not(node.test)
        case ast.comprehension() if node.ifs and not _inverts_by_itself(node.ifs[0]):
            yield node.ifs[0], f"inverted: {ast.unparse(node.ifs[0])[:90]}", node, "ifs", [_not(node.ifs[0])]
        case ast.Dict() if len({ast.unparse(value) for value in node.values}) > 1 and None not in node.keys:
            yield from _in_mapping(node)
        case ast.Attribute():
            yield from _in_attribute(node)
        case ast.Name() if node.id in NAMES:
            yield node, f"{NAMES[node.id]} for {written}", node, "id", NAMES[node.id]
        case ast.Call():
            yield from _in_call(node)


def _inverts_by_itself(test: ast.expr) -> bool:
    """A comparison or a `not` is inverted where it stands."""
    return (isinstance(test, ast.Compare) and len(test.ops) == 1) or isinstance(test, ast.UnaryOp)


def _not(test: ast.expr) -> ast.expr:
    return ast.copy_location(ast.UnaryOp(ast.Not(), test), test)


def _in_mapping(node: ast.Dict) -> Iterator[_Found]:
    for place, value in enumerate(node.values):
        following = (place + 1) % len(node.values)
        if ast.unparse(value) != ast.unparse(node.values[following]) and not (place and len(node.values) == 2):
            swapped = list(node.values)
            swapped[place], swapped[following] = swapped[following], value
            key = ast.unparse(node.keys[place] or value)
            yield value, f"the value of {key} is swapped with the next", node, "values", swapped


def _in_attribute(node: ast.Attribute) -> Iterator[_Found]:
    others = ATTRIBUTES.get(node.value.id, {}) if isinstance(node.value, ast.Name) else {}
    if isinstance(node.value, ast.Name) and node.value.id == "Kind":
        others = {node.attr: "ADL" if node.attr == "TRADE" else "TRADE"}
    other = others.get(node.attr) or MEMBERS.get(node.attr)
    if other:
        yield node, f"{other} for {ast.unparse(node)}", node, "attr", other


def _in_call(node: ast.Call) -> Iterator[_Found]:
    name = ast.unparse(node.func).rpartition(".")[2]
    if name in SUMS and len(node.args) >= 2:
        if name == "quotient":
            yield node, "a quotient the wrong way round", node, "args", node.args[::-1]
        else:
            for place in range(len(node.args)):
                left = [*node.args[:place], *node.args[place + 1 :]]
                yield node, f"part {place + 1} is left out of {ast.unparse(node)[:90]}", node, "args", left
    given = {keyword.arg: keyword for keyword in node.keywords}
    for group in NEIGHBOURS:
        present = [one for one in group if one in given]
        for one, other in pairwise(present):
            first, second = given[one], given[other]
            if ast.unparse(first.value) == ast.unparse(second.value):
                continue
            swapped = [
                ast.keyword(one, second.value) if each is first
                else ast.keyword(other, first.value) if each is second else each
                for each in node.keywords
            ]  # fmt: skip
            yield node, f"{name} with {one} and {other} swapped", node, "keywords", swapped
    if name in MADE:
        for keyword in node.keywords:
            left_out = [each for each in node.keywords if each is not keyword]
            yield keyword.value, f"{name} without {keyword.arg}", node, "keywords", left_out


# ── Fields that stand beside each other ───────────────────────────────────────────────────────────────


def fields_of(samples: list[dict[str, Any]], sources: Iterable[Path]) -> Fields:
    """For each field of a message the others of its object that hold the like; from samples and from written rows."""
    beside: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for sample in samples:
        _learn(sample["raw"], beside)
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                _learn_pairs([(_constant(key), _like_written(value)) for key, value in pairs], beside)
    return beside


def _learn(value: Any, beside: dict[str, dict[str, set[str]]]) -> None:
    if isinstance(value, dict):
        _learn_pairs([(name, _like(one)) for name, one in value.items()], beside)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _learn(inner, beside)


def _learn_pairs(pairs: list[tuple[str, str]], beside: dict[str, dict[str, set[str]]]) -> None:
    for name, like in pairs:
        for other, other_like in pairs:
            if name and other and name != other and like and like == other_like:
                beside[name].setdefault(other, set())


def _constant(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _like_written(node: ast.expr) -> str:
    return _like(node.value) if isinstance(node, ast.Constant) else ""


def _like(value: Any) -> str:
    """What kind of value it is: only like values can be mistaken for each other without a sound."""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float) or (isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value)):
        return "number"
    return "text" if isinstance(value, str) else ""


def samples_of(file: Path) -> list[dict[str, Any]]:
    """An exchange's own samples."""
    return json.loads(file.read_text()) if file.exists() else []
