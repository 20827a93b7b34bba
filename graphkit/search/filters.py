"""Attributes of rows, and conditions on them: type=film, year>=1990.

A column holds strings or numbers. Strings are kept as numbers of the distinct ones, and conditions tested on these.

Axes: N rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuralcore.errors import UserError, nearest

CONDITION = re.compile(r"\s*(.+?)\s*(>=|<=|!=|=|>|<)\s*(.*?)\s*", re.DOTALL)
ORDERED: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    ">=": np.greater_equal,
    "<=": np.less_equal,
    ">": np.greater,
    "<": np.less,
}
OPERATORS = ("=", "!=", *ORDERED)

Where = Mapping[str, Any] | Sequence[str]
"""Conditions that all have to hold: {"type": "film", "year": (">=", 1990), "country": ["fr", "it"]}, or as they are
typed: ["type=film", "year>=1990", "year<2000"]."""


@dataclass(frozen=True)
class Column:
    """N values: numbers as they are (NaN for none), or the numbers of `texts`.

    Attributes:
        values: (N,) float64 or int64, or int32 where there are texts.
        texts: the distinct strings, or None.
    """

    values: np.ndarray
    texts: list[str] | None

    @classmethod
    def of(cls, name: str, values: Any, rows: int) -> Column:
        """A column of strings or of numbers.

        Raises:
            UserError: it is neither, or there is not one value a row.
        """
        if isinstance(values, str):
            raise UserError(f"attribute {name!r} is one string: give one value a row")
        array = np.asarray(values)
        if array.ndim == 1 and array.dtype.kind in "ifub":
            column = cls(array.astype(np.float64 if array.dtype.kind == "f" else np.int64), None)
        else:
            numbers: dict[str, int] = {}
            listed = list(values)
            for row, value in enumerate(listed):
                if not isinstance(value, str):
                    raise UserError(
                        f"attribute {name!r} of row {row} is {value!r}, a {type(value).__name__}: give strings "
                        "alone, or numbers alone"
                    )
            codes = [numbers.setdefault(str(value), len(numbers)) for value in listed]
            column = cls(np.array(codes, np.int32), list(numbers))
        if len(column.values) != rows:
            raise UserError(f"attribute {name!r} has {len(column.values):,} values for {rows:,} rows: give one a row")
        return column

    def joined(self, name: str, values: Any, rows: int) -> Column:
        """This column with `rows` more values.

        Raises:
            UserError: they are not of the same kind.
        """
        more = Column.of(name, values, rows)
        if (self.texts is None) != (more.texts is None):
            kind = "numbers" if self.texts is None else "strings"
            raise UserError(f"attribute {name!r} holds {kind}: give the new rows such, too")
        if self.texts is None or more.texts is None:
            return Column(np.concatenate([self.values, more.values]), None)
        texts = list(dict.fromkeys([*self.texts, *more.texts]))
        codes = np.array([texts.index(text) for text in more.texts], np.int32)
        return Column(np.concatenate([self.values, codes[more.values]]), texts)

    def at(self, row: int) -> str | int | float:
        """A row's value."""
        value = self.values[row].item()
        return value if self.texts is None else self.texts[value]

    def rows_at(self, rows: np.ndarray) -> list[Any]:
        """The values of some rows."""
        values = self.values[rows].tolist()
        return values if self.texts is None else [self.texts[value] for value in values]


def passing(columns: Mapping[str, Column], where: Where, rows: int) -> np.ndarray:
    """(N,) bool: the rows for which all conditions hold.

    Raises:
        UserError: there is no such attribute, or no row with such a string, or a comparison makes no sense.
    """
    mask = np.ones(rows, bool)
    for name, operator, wanted in _conditions(where):
        if name not in columns:
            if not columns:
                raise UserError(f"where asks for {name!r}, and the rows have no attributes: build with attributes=…")
            raise UserError(f"no attribute {name!r}: {nearest(name, columns)}")
        mask &= _holds(columns[name], name, operator, wanted)
    return mask


def _conditions(where: Where) -> Iterable[tuple[str, str, list[Any]]]:
    """Each condition's attribute, operator and values, any of which will do."""
    if isinstance(where, Mapping):
        for name, value in where.items():
            operator = "="
            if isinstance(value, tuple):
                if len(value) != 2 or value[0] not in OPERATORS:
                    raise UserError(f"where {name} = {value!r}: give (operator, value), {' '.join(OPERATORS)}")
                operator, value = value
            yield str(name), operator, list(value) if isinstance(value, list | set | frozenset) else [value]
        return
    for text in [where] if isinstance(where, str) else where:
        found = CONDITION.fullmatch(text)
        if found is None:
            raise UserError(f"where {text!r}: write ATTRIBUTE=VALUE, or with {' '.join(OPERATORS[1:])}")
        yield found[1], found[2], [found[3]]


def _holds(column: Column, name: str, operator: str, wanted: list[Any]) -> np.ndarray:
    if not wanted:
        raise UserError(f"where {name}: no value is asked for")
    if column.texts is None:
        values = [_number(name, value) for value in wanted]
    else:
        if operator in ORDERED:
            raise UserError(f"where {name} {operator} …: {name!r} holds strings, which are = or != only")
        for value in wanted:
            if value not in column.texts:
                raise UserError(f"no row has {name} = {value!r}: {nearest(str(value), column.texts)}")
        values = [column.texts.index(value) for value in wanted]
    if operator in ORDERED:
        if len(values) != 1:
            raise UserError(f"where {name} {operator} {wanted!r}: compare with one number")
        return ORDERED[operator](column.values, values[0])
    same = np.isin(column.values, values)
    # A value that is not known is neither equal nor other.
    return same if operator == "=" else ~same & ~np.isnan(column.values)


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, bool):
            return float(value)
        number = float(value)
    except (TypeError, ValueError):
        raise UserError(f"where {name}: {value!r} is no number, and {name!r} holds numbers") from None
    if np.isnan(number):
        raise UserError(f"where {name}: nan compares with nothing")
    return int(value) if isinstance(value, int) else number
