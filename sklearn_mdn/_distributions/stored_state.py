"""What is stored of fitted things: the number of its format, and what is said of what cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import Parameter, signature
from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_mdn._distributions.documented import DocumentedEstimator

# One more whenever a version stores what an earlier one would misread; classes then bring states of the
# formats before into the new form. States without a number are from before there were numbers. From 2 on,
# networks know how far they are to be moved to the marginal density.
STATE_FORMAT = 2
FORMAT_KEY = "_sklearn_mdn_format"


def stamped(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state with the number of its format."""
    return {**state, FORMAT_KEY: STATE_FORMAT}


def read_state(state: Mapping[str, Any], kind: str, needed: Iterable[str] = ()) -> dict[str, Any]:
    """The state without the number of its format, if this version can read it."""
    read = dict(state)
    number = read.pop(FORMAT_KEY, STATE_FORMAT)
    if not isinstance(number, int) or not 1 <= number <= STATE_FORMAT:
        raise ValueError(
            f"This {kind} was stored in format {number!r}, and this version of sklearn_mdn reads formats up "
            f"to {STATE_FORMAT}: update sklearn_mdn to the version that stored it or to a later one."
        )
    missing = [name for name in needed if name not in read]
    if missing:
        raise ValueError(f"The state of this {kind} lacks {', '.join(missing)}{_CAUSE}")
    return read


def check_complete(estimator: BaseEstimator, names: Iterable[str]) -> None:
    """Refuse a fitted estimator that lacks an attribute which its ``fit`` sets."""
    missing = [name for name in names if name not in vars(estimator)]
    if missing:
        raise NotFittedError(f"This fitted {type(estimator).__name__} lacks {', '.join(missing)}{_CAUSE}")


_CAUSE = (
    ": it was stored by another version of sklearn_mdn, or changed by hand. Fit it again, or load it with "
    "the version that stored it."
)


class StoredEstimator(DocumentedEstimator, BaseEstimator):
    """An estimator whose state carries the number of its format, as scikit-learn's carry its version."""

    # Parameters that earlier versions did not have, with the values that stand for what those did.
    _EARLIER: ClassVar[dict[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Parameters, fitted attributes and the number of the format."""
        return stamped(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what ``__getstate__`` gave, unless it is of a later format; new parameters have defaults."""
        defaults = {name: given.default for name, given in signature(type(self)).parameters.items()}
        later = {name: value for name, value in defaults.items() if value is not Parameter.empty}
        super().__setstate__(later | self._EARLIER | read_state(state, type(self).__name__))

    def _check_fitted(self, *names: str) -> None:
        """Refuse to go on if ``fit`` has not been called, or what it sets is not there."""
        check_is_fitted(self)
        check_complete(self, names)
