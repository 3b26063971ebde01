"""Categories as codes: which there are, which are too rare to be told apart, and which were never seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sklearn_mdn._tables.columns import Columns, Labels, label_array
from sklearn_mdn._tables.names import Names

# Categories with fewer distinct training rows than this share one code.
MIN_CATEGORY_ROWS = 2

NO_NAMES = Names()

# The code of categories that are rare, or that training has not seen.
SHARED = 0


@final
@dataclass(frozen=True)
class Encoding:
    """What is known of the columns of the training table.

    ``categories`` holds the sorted categories of each categorical column, a gap last (None); ``codes`` the
    code of each of them: ``SHARED``, or 1, 2, ... in the same order. Columns of numbers whose values are
    ``names`` have codes behind those.
    """

    is_categorical: NDArray[np.bool_]
    categories: tuple[Labels, ...]
    codes: tuple[NDArray[np.int64], ...]
    names: Names = NO_NAMES

    @classmethod
    def of(cls, columns: Columns, present: NDArray[np.bool_]) -> Encoding:
        """All categories in the rows that are ``present``, each with a code of its own."""
        categories = tuple(
            _categories(labels[present], name)
            for labels, name in zip(columns.labels, columns.categorical_names, strict=True)
        )
        return cls(columns.is_categorical, categories, tuple(np.arange(1, len(c) + 1) for c in categories))

    @property
    def n_numbers(self) -> int:
        """Columns of numbers."""
        return int(np.count_nonzero(~self.is_categorical))

    @property
    def n_codes(self) -> tuple[int, ...]:
        """Room for the codes of each categorical column and each column of names, the shared one included.

        Some more than there are where there are many, so that tables that differ by a few categories, as the
        folds of a search do, make networks of one shape.
        """
        most = [int(codes.max(initial=SHARED)) for codes in self.codes]
        return tuple(room_for(n + 1) for n in (*most, *map(len, self.names.values)))

    @property
    def category_arrays(self) -> list[NDArray[Any]]:
        """Categories as users see them: numbers as float64 with NaN for a gap, texts with None."""
        return [
            known.astype(np.float64) if _kinds(known.tolist()) == {"numbers"} else known.copy()
            for known in self.categories
        ]

    @property
    def attributes(self) -> dict[str, Any]:
        """Fitted attributes that say all of it."""
        names = {"named_columns_": np.array(self.names.places), "named_values_": list(self.names.values)}
        return {
            "is_categorical_": self.is_categorical,
            "categories_": self.category_arrays,
            "category_codes_": list(self.codes),
            **(names if self.names.places else {}),
        }

    @classmethod
    def from_attributes(cls, stored: Mapping[str, Any]) -> Encoding:
        """What ``attributes`` describe."""
        labels = [
            label_array(None if label != label else label for label in known.tolist())
            for known in stored["categories_"]
        ]
        places = tuple(int(place) for place in stored.get("named_columns_", ()))
        names = Names(places, tuple(stored.get("named_values_", ())))
        return cls(stored["is_categorical_"], tuple(labels), tuple(stored["category_codes_"]), names)

    def shared(self, counts: list[NDArray[np.int64]]) -> Encoding:
        """Codes for categories that had so many distinct rows each: rare ones share one."""
        codes = []
        for count in counts:
            common = count >= MIN_CATEGORY_ROWS
            codes.append(np.where(common, np.cumsum(common), SHARED))
        return replace(self, codes=tuple(codes))

    def codes_of(self, columns: Columns) -> NDArray[np.int32]:
        """The codes of the categorical columns and of the columns of names, (n, c)."""
        codes = np.empty((len(columns), len(columns.labels)), dtype=np.int32)
        fitted = zip(self.categories, self.codes, columns.labels, columns.categorical_names, strict=True)
        for i, (categories, known, labels, name) in enumerate(fitted):
            codes[:, i] = _codes(categories, known, labels, name)
        return np.hstack([codes, self.names.codes_of(columns.numbers)]) if self.names.places else codes

    def encode(self, columns: Columns) -> NDArray[np.float64]:
        """Numbers, NaN for gaps, and behind them the codes, (n, d)."""
        if not self.n_codes:
            return columns.numbers.astype(np.float64)
        return np.hstack([columns.numbers, self.codes_of(columns)], dtype=np.float64)


def room_for(n_codes: int) -> int:
    """The next number that has at most three binary digits that are not 0."""
    step = 1 << max(0, n_codes.bit_length() - 3)
    return -(-n_codes // step) * step


def _categories(labels: Labels, name: str) -> Labels:
    """The different labels of a column, sorted, a gap last."""
    different = set(labels.tolist())
    gap = None in different
    different.discard(None)
    _check_one_kind(different, name)
    return label_array([*sorted(different), *([None] if gap else [])])


def _kind(label: Any) -> str:
    return "texts" if isinstance(label, str) else "bytes" if isinstance(label, bytes) else "numbers"


def _kinds(labels: Iterable[Any]) -> set[str]:
    return {_kind(label) for label in labels if label is not None}


def _check_one_kind(labels: set[Any], name: str) -> None:
    kinds = _kinds(labels)
    if len(kinds) > 1:
        raise TypeError(
            f"X must hold categories of one kind in a column, but column {name!r} mixes "
            f"{' and '.join(sorted(kinds))}. Turn all of its values into texts, for example by .astype(str)."
        )


def _codes(categories: Labels, codes: NDArray[np.int64], labels: Labels, name: str) -> NDArray[np.int64]:
    """The code of each label; one that is unknown has the shared one."""
    code_of = dict(zip(categories.tolist(), codes.tolist(), strict=True))
    found = np.fromiter((code_of.get(label, SHARED) for label in labels.tolist()), np.int64, len(labels))
    known = _kinds(code_of)
    unknown = _kinds(set(labels.tolist())) - known if known else set()
    if unknown:
        raise TypeError(
            f"X must hold categories of the kind that fit saw, but column {name!r} had {known.pop()} in fit "
            f"and has {unknown.pop()} now."
        )
    return found
