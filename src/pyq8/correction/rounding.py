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

Where the kernel adds pairs of products in 16 bits (`pyq8.saturation`), the two of a pair follow one another. If codes a
and b of one sign s would go beyond LIMIT together, they become s a' and s (LIMIT - a') with the a' that minimizes the
pair's two terms; with t the targets and b's taken as what it is for e_a = w_a - s a',

    D_a (s t_a - a')^2 + D_b (s t_b - LIMIT + (1 - U_ab) a')^2,    t_b = w_b + sum_{i<a} e_i U_ib + w_a U_ab
"""

from __future__ import annotations

import numpy as np

from pyq8.saturation import LIMIT, project
from pyq8.types import Array

DAMPING = 0.01
BLOCK = 128
"""Columns after which the errors made so far are passed on to all later ones in one matrix product."""


def round_rows(weights: Array, moment: Array, limit: int, laid: Array | None = None) -> Array:
    """Integer codes for weights in units of their scale.

    Args:
        weights: [G, O, K] float, w / scale.
        moment: [G, K, K] float32, H of every group's inputs.
        limit: codes lie in -limit..limit.
        laid: (K,) the weights in the order of the kernel, where it adds pairs; see `saturation.laid_out`.

    Returns:
        [G, O, K] int8.
    """
    count = weights.shape[2]
    variance = np.einsum("gkk->gk", moment)
    ridge = DAMPING * variance.mean(axis=1) + np.finfo(np.float32).tiny
    order = np.argsort(-variance, axis=1, kind="stable") if laid is None else _by_pairs(variance, laid)
    sorted_moment = np.take_along_axis(np.take_along_axis(moment, order[:, :, None], 1), order[:, None, :], 2)
    sorted_moment[:, np.arange(count), np.arange(count)] += ridge[:, None]
    # H = R R^T with R upper triangular: the Cholesky factor of H with its axes reversed, reversed back
    try:
        factor = np.linalg.cholesky(sorted_moment[:, ::-1, ::-1])[:, ::-1, ::-1]
    except np.linalg.LinAlgError:
        if len(moment) == 1:
            return _nearest(weights, limit, laid)
        pairs = zip(weights, moment, strict=True)
        return np.concatenate([round_rows(w[None], m[None], limit, laid) for w, m in pairs])
    del sorted_moment
    pivots = np.einsum("gkk->gk", factor).copy()
    unit = factor / pivots[:, None, :]
    del factor
    wanted = np.take_along_axis(weights, order[:, None, :], 2).transpose(0, 2, 1).astype(np.float32)  # [G, K, O]
    codes, error = np.empty_like(wanted), np.zeros_like(wanted)
    for start in range(0, count, BLOCK):
        end = min(start + BLOCK, count)
        first = np.zeros_like(wanted[:, 0])  # blocks are even: a pair lies in one
        passed = np.matmul(unit[:, :start, start:end].transpose(0, 2, 1), error[:, :start])
        for i in range(start, end):
            own = np.matmul(unit[:, None, start:i, i], error[:, start:i])[:, 0]
            target = wanted[:, i] + passed[:, i - start] + own
            codes[:, i] = np.clip(np.rint(target), -limit, limit)
            error[:, i] = wanted[:, i] - codes[:, i]
            if laid is not None and i % 2:
                pair = slice(i - 1, i + 1)
                terms = pivots[:, pair] ** 2, unit[:, i - 1, i, None]
                codes[:, pair] = _within(codes[:, pair], first, target, wanted[:, i - 1], error[:, i - 1], *terms)
                error[:, pair] = wanted[:, pair] - codes[:, pair]
            first = target
    back = np.argsort(order, axis=1)
    return np.asarray(np.take_along_axis(codes, back[:, :, None], 1).transpose(0, 2, 1), np.int8)


def _by_pairs(variance: Array, laid: Array) -> Array:
    """[G, K]: pairs by the larger of their variances, the larger one first; last one without a partner."""
    pair = np.arange(len(laid)) // 2
    orders = []
    for own in variance[:, laid]:
        most = np.maximum.reduceat(own, np.arange(0, len(own), 2))
        if len(own) % 2:
            most[-1] = -np.inf
        orders.append(laid[np.lexsort((-own, pair, -most[pair]))])
    return np.stack(orders)


def _nearest(weights: Array, limit: int, laid: Array | None) -> Array:
    if laid is None:
        return np.clip(np.rint(weights), -limit, limit).astype(np.int8)
    codes = np.empty(weights.shape, np.int8)
    codes[:, :, laid] = project(weights[:, :, laid].reshape(-1, len(laid)), limit).reshape(weights.shape)
    return codes


def _within(
    pair: Array, first: Array, second: Array, wanted: Array, error: Array, pivots: Array, passed: Array
) -> Array:
    """The codes of pairs, brought within LIMIT where they are not.

    Args:
        pair: [G, 2, O] codes.
        first: [G, O] t_a.
        second: [G, O] target of b for the code that a has.
        wanted: [G, O] w_a.
        error: [G, O] e_a for the code that a has.
        pivots: [G, 2] D_a and D_b.
        passed: [G, 1] U_ab.
    """
    signs = np.sign(pair)
    over = (signs[:, 0] == signs[:, 1]) & (np.abs(pair).sum(axis=1) > LIMIT)
    if not over.any():
        return pair
    sign, ahead = signs[:, 0], second + (wanted - error) * passed
    d_a, d_b = pivots[:, :1], pivots[:, 1:] * (1 - passed)
    best = (d_a * sign * first - d_b * (sign * ahead - LIMIT)) / (d_a + d_b * (1 - passed))
    kept = np.clip(np.rint(best), 1, LIMIT - 1)
    return np.where(over[:, None], np.stack([sign * kept, sign * (LIMIT - kept)], axis=1), pair)
