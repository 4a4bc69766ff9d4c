"""Filters such as ``disease = 'Lung Cancer' and grade != 3``: comparisons, nothing else."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_haiku.errors import HaikuError
from napari_haiku.model.shipped_card import worth_telling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Mask = NDArray[np.bool_]
_HOW = "write comparisons such as disease = 'Lung Cancer' and age >= 60"
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
      | (?P<field>"(?:[^"]|"")*")
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<sign><=|>=|!=|<>|==|=|<|>|\(|\)|,)
      | (?P<word>[^\W\d][\w.\-/]*)
    )""",
    re.VERBOSE,
)
_SIGNS = {"==": "=", "<>": "!="}
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_KEYWORDS = {"and", "or", "not", "in"}


@dataclass(frozen=True)
class Comparison:
    """One comparison of a field with one or several values."""

    field: str
    sign: str
    values: tuple[str | float, ...]


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    part: Condition


@dataclass(frozen=True)
class Both:
    """Two conditions that must hold together."""

    left: Condition
    right: Condition


@dataclass(frozen=True)
class Either:
    """Two conditions of which one must hold."""

    left: Condition
    right: Condition


Condition = Comparison | Not | Both | Either


def parse_where(text: str) -> Condition:
    """Read a filter.

    Fields are words, or anything in double quotes; values are numbers, or text
    in single quotes (doubled inside). Comparisons are ``= != < <= > >=`` and
    ``in (...)``, joined by ``and``, ``or``, ``not`` and brackets.

    Parameters
    ----------
    text : str
        The filter.

    Raises
    ------
    HaikuError
        The filter holds anything else.
    """
    parser = _Parser(_tokens(text))
    condition = parser.either()
    parser.end()
    return condition


def write_where(condition: Condition) -> str:
    """Write a filter so that :func:`parse_where` reads the same again."""
    if isinstance(condition, Comparison):
        name = '"' + condition.field.replace('"', '""') + '"'
        values = [_write_value(value) for value in condition.values]
        if condition.sign == "in":
            return f"{name} in ({', '.join(values)})"
        return f"{name} {condition.sign} {values[0]}"
    if isinstance(condition, Not):
        return f"not ({write_where(condition.part)})"
    word = "and" if isinstance(condition, Both) else "or"
    return f"({write_where(condition.left)}) {word} ({write_where(condition.right)})"


def evaluate(
    condition: Condition,
    fields: Sequence[str],
    column: Callable[[str], pd.Series],
) -> Mask:
    """Decide for each row whether a filter holds.

    What is not recorded ("" or NaN) is neither equal nor unequal to anything, so
    that such a row is never kept by a comparison, nor by its opposite.

    Parameters
    ----------
    condition : Condition
        The filter.
    fields : sequence of str
        Fields there are.
    column : callable
        Values of a field, one a row: numbers, strings or a categorical.

    Returns
    -------
    ndarray of bool
        Rows where the filter is true.

    Raises
    ------
    HaikuError
        A field does not exist, or is compared with a value of another kind.
    """
    return _judge(condition, fields, column)[0]


def resolve_field(name: str, fields: Sequence[str]) -> str:
    """Find a field by its name, capitals aside.

    Raises
    ------
    HaikuError
        There is no such field; the sentence names those there are.
    """
    if name in fields:
        return name
    alike = [field for field in fields if field.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    close = difflib.get_close_matches(name.lower(), [field.lower() for field in fields], n=1)
    meant = next((field for field in fields if close and field.lower() == close[0]), None)
    hint = f" (did you mean '{meant}'?)" if meant else ""
    raise HaikuError(
        f"There is no field '{name}'{hint}: the fields are "
        f"{', '.join(worth_telling(fields)) or 'none'}."
    )


def comparisons(condition: Condition) -> list[Comparison]:
    """Every comparison in a filter, from left to right."""
    if isinstance(condition, Comparison):
        return [condition]
    if isinstance(condition, Not):
        return comparisons(condition.part)
    return comparisons(condition.left) + comparisons(condition.right)


def _judge(
    condition: Condition, fields: Sequence[str], column: Callable[[str], pd.Series]
) -> tuple[Mask, Mask]:
    """Rows where the condition is true, and rows where it is false; the rest is unknown."""
    if isinstance(condition, Comparison):
        return _compare(condition, column(resolve_field(condition.field, fields)))
    if isinstance(condition, Not):
        true, false = _judge(condition.part, fields, column)
        return false, true
    left = _judge(condition.left, fields, column)
    right = _judge(condition.right, fields, column)
    if isinstance(condition, Both):
        return left[0] & right[0], left[1] | right[1]
    return left[0] | right[0], left[1] & right[1]


def _compare(comparison: Comparison, values: pd.Series) -> tuple[Mask, Mask]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        # Few distinct values over many patches: compare each once.
        distinct = pd.Series(values.cat.categories)
        codes = values.cat.codes.to_numpy()
        true, false = (np.append(mask, False) for mask in _compare(comparison, distinct))
        return true[codes], false[codes]
    numeric = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
    if pd.api.types.is_numeric_dtype(values.dtype):
        known = ~np.isnan(numeric)
        words = np.full(len(values), "", object)
    else:
        words = values.fillna("").astype(str).to_numpy(object)
        known = words != ""
    if comparison.sign in ("=", "!=", "in"):
        true = np.zeros(len(values), bool)
        for value in comparison.values:
            if isinstance(value, str):
                true |= words == value
            else:
                true |= numeric == value
        if comparison.sign == "!=":
            true = known & ~true
        return true & known, known & ~true
    bound = _number(comparison)
    known = known & ~np.isnan(numeric)
    with np.errstate(invalid="ignore"):
        true = {
            "<": numeric < bound,
            "<=": numeric <= bound,
            ">": numeric > bound,
            ">=": numeric >= bound,
        }[comparison.sign]
    return true & known, known & ~true


def _number(comparison: Comparison) -> float:
    value = comparison.values[0]
    try:
        return float(value)
    except ValueError as error:
        raise HaikuError(
            f"'{comparison.field} {comparison.sign}' needs a number, not '{value}': use = or != "
            "for words."
        ) from error


def _write_value(value: str | float) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    shown: str


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            rest = text[position:].strip()
            raise HaikuError(f"The filter cannot be read at '{rest[:20]}': {_HOW}.")
        kind, found = match.lastgroup, match.group(match.lastgroup)
        content = found
        if kind in ("text", "field"):
            content = found[1:-1].replace(found[0] * 2, found[0])
        elif kind == "word" and found.lower() in _KEYWORDS:
            kind, content = "keyword", found.lower()
        elif kind == "sign":
            content = _SIGNS.get(found, found)
        tokens.append(_Token(kind, content, found))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def either(self) -> Condition:
        left = self._both()
        while self._take("keyword", "or"):
            left = Either(left, self._both())
        return left

    def end(self) -> None:
        if self._next < len(self._tokens):
            self._refuse()

    def _both(self) -> Condition:
        left = self._part()
        while self._take("keyword", "and"):
            left = Both(left, self._part())
        return left

    def _part(self) -> Condition:
        if self._take("keyword", "not"):
            return Not(self._part())
        if self._take("sign", "("):
            inner = self.either()
            self._need(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        field = self._take("word") or self._take("field")
        if field is None:
            self._refuse()
        negated = self._take("keyword", "not") is not None
        if self._take("keyword", "in"):
            self._need("(")
            values = [self._value()]
            while self._take("sign", ","):
                values.append(self._value())
            self._need(")")
            within = Comparison(field.text, "in", tuple(values))
            return Not(within) if negated else within
        sign = self._take("sign")
        if negated or sign is None or sign.text not in _COMPARISONS:
            self._next -= sign is not None
            self._refuse()
        return Comparison(field.text, sign.text, (self._value(),))

    def _value(self) -> str | float:
        number = self._take("number")
        if number is not None:
            return float(number.text)
        text = self._take("text")
        if text is None:
            word = self._peek()
            if word is not None and word.kind in ("word", "field"):
                raise HaikuError(
                    f"The filter compares with {word.shown}: put words in single quotes, like "
                    f"'{word.text}'."
                )
            self._refuse()
        return text.text

    def _need(self, sign: str) -> None:
        if self._take("sign", sign) is None:
            self._refuse()

    def _take(self, kind: str, text: str | None = None) -> _Token | None:
        token = self._peek()
        if token is None or token.kind != kind or (text is not None and token.text != text):
            return None
        self._next += 1
        return token

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _refuse(self) -> NoReturn:
        token = self._peek()
        if token is None:
            raise HaikuError(f"The filter ends too early: {_HOW}.")
        raise HaikuError(f"The filter cannot be read at '{token.shown}': {_HOW}.")
