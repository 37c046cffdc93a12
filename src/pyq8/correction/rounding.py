"""Rounding that minimizes a layer's output error: each weight makes up for what rounding the earlier ones did.

A row w of a layer's weight, rounded to w', changes the output by e.x with e = w - w'. Over the inputs, with the mean
taken out (that is the bias's to correct),

    E[(e.x)^2] = e H e^T,        H = E[(x - E x)(x - E x)^T]

With H = U D U^T, U unit upper triangular and D diagonal,

    e H e^T = sum_j D_jj (e_j + sum_{i<j} e_i U_ij)^2

so that weights rounded one after the other, each to the code nearest to w_j + sum_{i<j} e_i U_ij, leave only their own
half step in every term. That is GPTQ (Frantar et al., 2022) in the form of QuIP (Chee et al., 2023), which needs one
Cholesky factor and no inverse. The inputs with the largest variance go first (they have the most to pass on);
DAMPING times the mean variance is added to the diagonal, as H is known from a sample only. Of inputs that hardly vary,
beside their mean, H is what FP32's rounding left: where it has no factor, the nearest codes are taken.
"""

from __future__ import annotations

import numpy as np

from pyq8.types import Array

DAMPING = 0.01
BLOCK = 128
"""Columns after which the errors made so far are passed on to all later ones in one matrix product."""


def round_rows(weights: Array, moment: Array, limit: int, damping: float = DAMPING) -> Array:
    """Integer codes for weights in units of their scale.

    Args:
        weights: [G, O, K] float, w / scale.
        moment: [G, K, K] float32, H of every group's inputs.
        limit: codes lie in -limit..limit.
        damping: see above.

    Returns:
        [G, O, K] int8.
    """
    count = weights.shape[2]
    variance = np.einsum("gkk->gk", moment)
    ridge = damping * variance.mean(axis=1) + np.finfo(np.float32).tiny
    order = np.argsort(-variance, axis=1, kind="stable")
    sorted_moment = np.take_along_axis(np.take_along_axis(moment, order[:, :, None], 1), order[:, None, :], 2)
    sorted_moment[:, np.arange(count), np.arange(count)] += ridge[:, None]
    # H = R R^T with R upper triangular: the Cholesky factor of H with its axes reversed, reversed back
    try:
        factor = np.linalg.cholesky(sorted_moment[:, ::-1, ::-1])[:, ::-1, ::-1]
    except np.linalg.LinAlgError:
        if len(moment) == 1:
            return np.clip(np.rint(weights), -limit, limit).astype(np.int8)
        pairs = zip(weights, moment, strict=True)
        return np.concatenate([round_rows(w[None], m[None], limit, damping) for w, m in pairs])
    del sorted_moment
    unit = factor / np.einsum("gkk->gk", factor)[:, None, :]
    del factor
    wanted = np.take_along_axis(weights, order[:, None, :], 2).transpose(0, 2, 1).astype(np.float32)  # [G, K, O]
    codes, error = np.empty_like(wanted), np.zeros_like(wanted)
    for start in range(0, count, BLOCK):
        end = min(start + BLOCK, count)
        passed = np.matmul(unit[:, :start, start:end].transpose(0, 2, 1), error[:, :start])
        for i in range(start, end):
            own = np.matmul(unit[:, None, start:i, i], error[:, start:i])[:, 0]
            target = wanted[:, i] + passed[:, i - start] + own
            codes[:, i] = np.clip(np.rint(target), -limit, limit)
            error[:, i] = wanted[:, i] - codes[:, i]
    back = np.argsort(order, axis=1)
    return np.asarray(np.take_along_axis(codes, back[:, :, None], 1).transpose(0, 2, 1), np.int8)
