"""What CUDA does, operation by operation, where the emulation cannot find it out by itself."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SYNCHRONISING = {
    "_local_scalar_dense": 1,
    "nonzero": 1,
    "masked_select": 1,
    "equal": 1,
    "_unique2": 1,
    "unique_dim": 1,
    "unique_consecutive": 1,
    "unique_dim_consecutive": 1,
    "bincount": 2,  # the minimum is checked, the maximum sizes the answer
    "multinomial": 1,  # probabilities are checked
    "repeat_interleave": 2,  # the sum of the repeats sizes the answer, and they are checked
    "_linalg_eigh": 1,
    "_linalg_svd": 1,
    "linalg_eig": 1,
    "_linalg_eigvals": 1,
    "linalg_lstsq": 1,
    "linalg_matrix_exp": 1,
}
"""Operations during which CUDA's host waits, and how often; composed ones are found out by what they are made of."""

LIBRARY = _names("""
    sort topk kthvalue median mode _unique2 unique_dim unique_consecutive cumsum cumprod
    linalg_qr geqrf linalg_cholesky_ex _linalg_solve_ex linalg_inv_ex linalg_lu_factor_ex _linalg_eigh _linalg_svd
    _linalg_det _linalg_slogdet linalg_eig linalg_lstsq linalg_solve_triangular cholesky_solve linalg_matrix_exp
    _fft_r2c _fft_c2r _fft_c2c convolution convolution_backward
""")
"""Operations counted as one launch that a library makes of several."""

LEAVES = _names("""
    arange range linspace logspace eye tril_indices triu_indices full scalar_tensor convolution convolution_backward
    kthvalue linalg_lstsq native_layer_norm native_group_norm isin median mode native_dropout
""")
"""Composed on the CPU, or of things that only a CPU has; on CUDA they have kernels of their own."""

FREE = _names("_unsafe_view lift_fresh lift _reshape_alias detach_ is_same_size is_set_to _has_same_storage_numel")
"""No kernel, though the schema does not say that it is a view."""

KERNELS = {"_local_scalar_dense": 0, "bincount": 4, "equal": 2, "eye": 2, "repeat_interleave": 4}
"""Launches of an operation that are not one."""
