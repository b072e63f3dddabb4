"""The fused cells of CUDA, which torch's CPU build does not hold: gates in, new state and a workspace out.

Formulas as in `torch.nn.GRUCell` and `torch.nn.LSTMCell`; each is one launch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _sum_of(gates: tuple[Tensor, Tensor], biases: tuple[Tensor | None, Tensor | None]) -> tuple[Tensor, Tensor]:
    one, two = (g if b is None else g + b for g, b in zip(gates, biases, strict=True))
    return one, two


def gru(inputs: Tensor, hidden: Tensor, h: Tensor, b: Tensor | None = None, c: Tensor | None = None):
    """(new state, workspace (batch, 5 size): reset gate, update gate, candidate, old state, hidden part)."""
    one, two = _sum_of((inputs, hidden), (b, c))
    (ir, iz, in_), (hr, hz, hn) = one.chunk(3, 1), two.chunk(3, 1)
    r, z = torch.sigmoid(ir + hr), torch.sigmoid(iz + hz)
    n = torch.tanh(in_ + r * hn)
    return n + z * (h - n), torch.cat([r, z, n, h, hn], 1)


def gru_backward(grad: Tensor, workspace: Tensor, has_bias: bool):
    r, z, n, h, hn = workspace.chunk(5, 1)
    to_z, to_n = grad * (h - n) * z * (1 - z), grad * (1 - z) * (1 - n * n)
    to_r, to_hn = to_n * hn * r * (1 - r), to_n * r
    inputs, hidden = torch.cat([to_r, to_z, to_n], 1), torch.cat([to_r, to_z, to_hn], 1)
    biases = (inputs.sum(0), hidden.sum(0)) if has_bias else (None, None)
    return inputs, hidden, grad * z, *biases


def lstm(inputs: Tensor, hidden: Tensor, c: Tensor, b: Tensor | None = None, d: Tensor | None = None):
    """(new state, new cell, workspace (batch, 4 size): input, forget, cell and output gate)."""
    one, two = _sum_of((inputs, hidden), (b, d))
    i, f, g, o = (one + two).chunk(4, 1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    cell = f * c + i * g
    return o * torch.tanh(cell), cell, torch.cat([i, f, g, o], 1)


def lstm_backward(
    grad: Tensor | None, to_cell: Tensor | None, c: Tensor, new: Tensor, workspace: Tensor, has_bias: bool
):
    i, f, g, o = workspace.chunk(4, 1)
    grad = torch.zeros_like(c) if grad is None else grad
    t = torch.tanh(new)
    cell = grad * o * (1 - t * t) + (0 if to_cell is None else to_cell)
    gates = [cell * g * i * (1 - i), cell * c * f * (1 - f), cell * i * (1 - g * g), grad * t * o * (1 - o)]
    gradient = torch.cat(gates, 1)
    return gradient, cell * f, gradient.sum(0) if has_bias else None


KERNELS = {
    "_thnn_fused_gru_cell": gru,
    "_thnn_fused_gru_cell_backward": gru_backward,
    "_thnn_fused_lstm_cell": lstm,
    "_thnn_fused_lstm_cell_backward_impl": lstm_backward,
}
"""By the name of torch's operation."""
