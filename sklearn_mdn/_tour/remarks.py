"""What may mislead in a column, in words for the person whose column it is."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mdn._tables.columns import Labels
from sklearn_mdn._tables.encoding import MIN_CATEGORY_ROWS
from sklearn_mdn._tour.reading import is_number

if TYPE_CHECKING:
    import pandas

DATE = re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([ T]\d.*)?")
# How people write numbers that Python does not read, and what keeps them from being read.
SPELLINGS = (
    (DATE, "a date? Turn it into a number, such as days since another"),
    (re.compile(r"[-+]?[\d., ]*\d ?%"), "a percent sign? Write the number without it"),
    (
        re.compile(r"[-+]?[$€£¥] ?[-+]?[\d., ]*\d|[-+]?[\d., ]*\d ?[$€£¥]"),
        "a currency? Write the number without it",
    ),
    (re.compile(r"[-+]?\d{1,3},\d{3}"), "a decimal comma or a thousands separator? Write {point} or {plain}"),
    (re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?"), "a decimal comma? Write {point}"),
    (re.compile(r"[-+]?\d{1,3}(\.\d{3})+,\d*"), "thousands separators and a decimal comma? Write {both}"),
    (
        re.compile(r"[-+]?\d{1,3}([, '_’\u00a0\u202f]\d{3})+(\.\d*)?|[-+]?\d+(_\d+)+"),
        "a thousands separator? Write {plain}",
    ),
    (re.compile(r"[-+]?\d{1,3}(\.\d{3}){2,}"), "thousands separators? Write {joined}"),
)


def spelling_hint(text: str) -> str:
    """What may keep a text from being read as a number, in parentheses; empty if that is unknown."""
    text = text.strip()
    for pattern, hint in SPELLINGS:
        if pattern.fullmatch(text):
            written = {
                "point": text.replace(",", "."),
                "plain": re.sub(r"[, '_’\u00a0\u202f]", "", text),
                "both": text.replace(".", "").replace(",", "."),
                "joined": text.replace(".", ""),
            }
            return f" ({hint.format(**written)})"
    return ""


def holds_dates(values: pandas.Series) -> bool:
    """Whether a column with values is one of dates, also where they are spelled as texts."""
    import pandas

    if pandas.api.types.is_datetime64_any_dtype(values):
        return True
    return all(isinstance(value, str) and DATE.fullmatch(value) for value in values.dropna())


def remarks_on_numbers(name: str, numbers: NDArray[np.floating[Any]]) -> list[str]:
    """What may mislead in a column of numbers, NaN for gaps: it is constant, or counts the rows."""
    present = numbers[~np.isnan(numbers)]
    if np.ptp(present) == 0.0:
        return [f"Column '{name}' is {present[0]:g} in every row that has a value."]
    different = np.unique(present)
    if len(different) == len(numbers) and np.all(np.diff(different) == 1.0):
        return [f"Column '{name}' numbers the rows. If it is no more than that, leave it out of the file."]
    return []


def remarks_on_labels(name: str, labels: Labels) -> list[str]:
    """What may mislead in a categorical column: it is constant, nearly of numbers, or has rare categories."""
    counts = Counter(label for label in labels if label is not None)
    if len(counts) == 1:
        return [f"Column '{name}' is '{next(iter(counts))}' in every row that has a value."]
    remarks = []
    odd = [label for label in counts if isinstance(label, str) and not is_number(label)]
    hints = [spelling_hint(label) for label in odd]
    if odd and 2 * sum(not hint for hint in hints) < len(counts):
        first = next((i for i, hint in enumerate(hints) if not hint), 0)
        remarks.append(
            f"Column '{name}' is taken as categories, since '{odd[first]}' is no number{hints[first]}."
        )
    rare = sum(count < MIN_CATEGORY_ROWS for count in counts.values())
    if rare == len(counts):
        remarks.append(
            f"Column '{name}': {len(counts):,} different texts, each in fewer than {MIN_CATEGORY_ROWS} rows, "
            "as of an id: too few to learn from."
        )
    elif rare:
        remarks.append(
            f"Column '{name}': {len(counts):,} different texts, those in fewer than {MIN_CATEGORY_ROWS} rows "
            "taken together."
        )
    return remarks
