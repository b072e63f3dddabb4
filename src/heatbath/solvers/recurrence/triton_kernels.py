"""Forward and adjoint of the forced scan as Triton kernels: one program follows one sequence through all steps.

The states stay in registers, and so do the weights where one part holds all hidden units. Arrays are contiguous:
sequences (T, B, M), W1 (M, L), W2 (L, M); MP and LP are powers of 2, M and L filled up with zeros.
"""

# Triton reads the annotations of these functions, and decorates them without types.

import triton
import triton.language as tl


@triton.jit
def tiles(W1, W2, h2, c, M, L, MP: tl.constexpr, LP: tl.constexpr):
    """Both weight matrices, (MP, LP), and h2 of the c-th part of the hidden units."""
    m, units = tl.arange(0, MP), c * LP + tl.arange(0, LP)
    inside = (m < M)[:, None] & (units < L)[None, :]
    w1 = tl.load(W1 + m[:, None] * L + units[None, :], mask=inside, other=0.0)
    w2 = tl.load(W2 + units[None, :] * M + m[:, None], mask=inside, other=0.0)
    return w1, w2, tl.load(h2 + units, mask=units < L, other=0.0)


@triton.jit
def hidden(z, w1, w2, edge, CLIPPED: tl.constexpr):
    """W1 r of one part."""
    u = tl.sum(w2 * z[:, None], axis=0)
    r = tl.maximum(u + edge, 0.0, propagate_nan=tl.PropagateNan.ALL)
    if CLIPPED:
        r -= tl.maximum(u, 0.0, propagate_nan=tl.PropagateNan.ALL)
    return tl.sum(w1 * r[None, :], axis=1)


@triton.jit
def hidden_adjoint(z, g, w1, w2, edge, CLIPPED: tl.constexpr):
    """W2' (mask W1' g) of one part."""
    u = tl.sum(w2 * z[:, None], axis=0)
    q = tl.sum(w1 * g[:, None], axis=0)
    d = tl.where(u + edge > 0.0, q, 0.0)
    if CLIPPED:
        d -= tl.where(u > 0.0, q, 0.0)
    return tl.sum(w2 * d[None, :], axis=1)


@triton.jit
def forward(
    start,
    strength,
    signal,
    drive,
    A,
    W1,
    W2,
    h1,
    h2,
    proposals,
    values,
    T,
    B,
    M,
    L,
    MP: tl.constexpr,
    LP: tl.constexpr,
    CHUNKS: tl.constexpr,
    CLIPPED: tl.constexpr,
    FORCED: tl.constexpr,
    DRIVEN: tl.constexpr,
):
    """All steps of one sequence: z, and ~z where it is forced."""
    b, m = tl.program_id(0).to(tl.int64), tl.arange(0, MP)
    inside = m < M
    linear = tl.load(A + m, mask=inside, other=0.0)
    bias = tl.load(h1 + m, mask=inside, other=0.0)
    z = tl.load(start + b * M + m, mask=inside, other=0.0)
    if FORCED:
        mixed = tl.load(strength + m, mask=inside, other=0.0)
    if CHUNKS == 1:
        w1, w2, edge = tiles(W1, W2, h2, 0, M, L, MP, LP)
    for t in range(T):
        at = (t * B + b) * M + m
        x = linear * z + bias
        if CHUNKS == 1:
            x += hidden(z, w1, w2, edge, CLIPPED)
        else:
            for c in range(CHUNKS):
                w1, w2, edge = tiles(W1, W2, h2, c, M, L, MP, LP)
                x += hidden(z, w1, w2, edge, CLIPPED)
        if DRIVEN:
            x += tl.load(drive + at, mask=inside, other=0.0)
        tl.store(proposals + at, x, mask=inside)
        z = x
        if FORCED:
            z = (1 - mixed) * x + mixed * tl.load(signal + at, mask=inside, other=0.0)
            tl.store(values + at, z, mask=inside)


@triton.jit
def adjoint(
    visited,
    strength,
    by_value,
    by_proposal,
    A,
    W1,
    W2,
    h2,
    gradient,
    initial,
    T,
    B,
    M,
    L,
    MP: tl.constexpr,
    LP: tl.constexpr,
    CHUNKS: tl.constexpr,
    CLIPPED: tl.constexpr,
    FORCED: tl.constexpr,
    BY_VALUE: tl.constexpr,
    BY_PROPOSAL: tl.constexpr,
):
    """g_t = by_proposal_t + keep (by_value_t + A g_{t+1} + W2' (mask W1' g_{t+1})), t = T .. 1, of one sequence;
    visited: the states ~z_0 .. ~z_{T-1}."""
    b, m = tl.program_id(0).to(tl.int64), tl.arange(0, MP)
    inside = m < M
    linear = tl.load(A + m, mask=inside, other=0.0)
    carry = linear * 0.0
    if FORCED:
        mixed = tl.load(strength + m, mask=inside, other=0.0)
    if CHUNKS == 1:
        w1, w2, edge = tiles(W1, W2, h2, 0, M, L, MP, LP)
    for back in range(T):
        t = T - 1 - back
        at = (t * B + b) * M + m
        g = carry
        if BY_VALUE:
            g += tl.load(by_value + at, mask=inside, other=0.0)
        if FORCED:
            g = (1 - mixed) * g
        if BY_PROPOSAL:
            g += tl.load(by_proposal + at, mask=inside, other=0.0)
        tl.store(gradient + at, g, mask=inside)
        z = tl.load(visited + at, mask=inside, other=0.0)
        carry = linear * g
        if CHUNKS == 1:
            carry += hidden_adjoint(z, g, w1, w2, edge, CLIPPED)
        else:
            for c in range(CHUNKS):
                w1, w2, edge = tiles(W1, W2, h2, c, M, L, MP, LP)
                carry += hidden_adjoint(z, g, w1, w2, edge, CLIPPED)
    tl.store(initial + b * M + m, carry, mask=inside)
