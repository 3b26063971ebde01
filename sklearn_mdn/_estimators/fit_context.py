"""The frame of ``fit``: parameters are validated, callbacks set up and torn down, a fault loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from sklearn.base import _fit_context

Method = TypeVar("Method", bound=Callable[..., object])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """scikit-learn's decorator of ``fit``, after whose errors the estimator is as it was before.

    That holds for whatever ends a fit: bad input, an error of a callback at any time, the interrupt key.
    """
    framed = _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)

    def decorate(method: Method) -> Method:
        inner = framed(method)

        @wraps(method)
        def fit(self: Any, *args: Any, **kwargs: Any) -> object:
            before = self.__dict__.copy()
            try:
                return inner(self, *args, **kwargs)
            except BaseException:
                self.__dict__ = before
                raise

        return cast(Method, fit)

    return decorate
