"""scikit-learn's callbacks, where the installed version has them (1.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport
    from sklearn.callback import with_callbacks
except ImportError:  # before 1.9, or another protocol than that

    class CallbackSupport:  # type: ignore[no-redef]
        """In place of the mixin."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


__all__ = ["CallbackSupport", "teller", "with_callbacks"]


def teller(estimator: Any, X: Any, y: Any, epochs: int) -> tuple[Callable[[bool], bool], Callable[[], Any]] | None:
    """Return what to call around each epoch and at the end of `fit`, or None without callbacks.

    The first is called with True before an epoch and with False after it, and then returns whether a callback asks
    for an end.
    """
    if not (getattr(estimator, "_skl_callbacks", None) or hasattr(estimator, "_parent_callback_ctx")):
        return None
    context = estimator._init_callback_context(max_subtasks=epochs)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    under_way: list[Any] = []

    def weights() -> dict[str, Any]:
        return {name: [array.copy() for array in getattr(estimator, name)]
                for name in ("coefs_", "intercepts_") if hasattr(estimator, name)}

    def tell(begins: bool) -> bool:
        if begins:
            under_way[:] = [context.subcontext(task_name="epoch")]
            under_way[0].call_on_fit_task_begin(estimator=estimator, X=X, y=y, reconstruction_attributes=weights())
            return False
        return bool(under_way[0].call_on_fit_task_end(estimator=estimator, X=X, y=y,
                                                      reconstruction_attributes=weights()))

    return tell, lambda: context.call_on_fit_task_end(estimator=estimator, X=X, y=y)
