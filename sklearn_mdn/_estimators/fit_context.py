"""The frame of ``fit``: parameters are validated, callbacks are set up and torn down."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from sklearn.base import _fit_context

Method = TypeVar("Method", bound=Callable[..., object])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """scikit-learn's decorator of ``fit``, which has no types and would take those of the method away."""
    decorator = _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)
    return cast(Callable[[Method], Method], decorator)
