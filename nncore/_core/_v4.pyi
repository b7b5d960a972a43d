"""The compiled core. Every level has the same functions; arrays come checked (kernels/, executor.py)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ACTIVATIONS: tuple[str, ...]
KERNELS: tuple[str, ...]
ELEMENTARY: tuple[str, ...]
OP_FIELDS: list[Any]
compiler: str
debug: bool
has_openmp: bool
tile_rows: int
vector_bytes: int

def address(array: NDArray[Any]) -> int: ...
def cpu_level() -> int: ...
def elementary(name: str, x: NDArray[Any]) -> NDArray[Any]: ...
def bias_activation(kernel: int, kind: int, x: object, b: object, out: object, alpha: float) -> Any: ...
def elementwise(kernel: int, kind: int, x: object, s: object, out: object, alpha: float) -> Any: ...
def fma_peak(is_double: bool, seconds: float) -> float: ...
def max_threads() -> int: ...
def permutation(n: int, seed: int, step: int) -> NDArray[np.int64]: ...
def philox4x32(counter: NDArray[np.uint32], seed: int) -> NDArray[np.uint32]: ...
def program_threads(ops: NDArray[Any], rows: int) -> int: ...
def random_words(n: int, seed: int, purpose: int, layer: int, step: int) -> NDArray[np.uint32]: ...
def run_kernel(
    kernel: int,
    B: int,
    arrays: tuple[NDArray[Any] | None, ...],
    sizes: tuple[int, ...],
    scalars: tuple[float, ...],
    is_double: bool,
) -> None: ...
def run_program(
    ops: NDArray[Any],
    order: NDArray[np.int64] | None,
    samples: int,
    batch_size: int,
    first: int,
    watched: NDArray[np.float64] | None,
    seconds: float,
    n_threads: int,
) -> int: ...
def set_thread_cap(n: int) -> None: ...
