"""Brownian motion in pieces: laws, and that looking twice shows one path."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from heatbath.solvers.sde.noise import BrownianPath, Piece, bridge, joined

PATHS = 40_000


def path(seed: int = 0, paths: int = PATHS) -> BrownianPath:
    return BrownianPath(torch.zeros(paths, dtype=torch.float64), torch.Generator().manual_seed(seed))


def covariance(*columns: Tensor) -> Tensor:
    return torch.cov(torch.stack(columns))


def expected(*lengths: float) -> Tensor:
    """Covariance of (W, area) of independent pieces."""
    blocks = [torch.tensor([[h, h * h / 2], [h * h / 2, h**3 / 3]], dtype=torch.float64) for h in lengths]
    return torch.block_diag(*blocks)


def assert_covariance(found: Tensor, wanted: Tensor) -> None:
    """Within five standard errors, sd of an entry <= sqrt(2 c_ii c_jj / n): a false alarm in 10^5 for all entries."""
    scale = torch.outer(wanted.diagonal(), wanted.diagonal()).sqrt()
    assert bool(((found - wanted).abs() <= 5 * scale * math.sqrt(2 / PATHS)).all()), found - wanted


def test_a_fresh_piece_has_the_law_of_brownian_motion() -> None:
    piece = path().look(0.7)
    assert_covariance(covariance(piece.end, piece.area), expected(0.7))


def test_pieces_after_a_rejection_have_the_law_too() -> None:
    """A long look, then shorter ones: their pieces are independent and of the right size, as if never looked at."""
    w = path()
    w.look(1.0)
    first = w.look(0.3)
    w.go(0.3)
    second = w.look(0.25)
    w.go(0.25)
    third = w.look(0.9)
    columns = [x for piece in (first, second, third) for x in (piece.end, piece.area)]
    assert_covariance(covariance(*columns), expected(0.3, 0.25, 0.9))


def test_parts_add_up_to_the_whole() -> None:
    w = path(paths=7)
    whole = w.look(1.0)
    parts = []
    for length in (0.3, 0.1, 0.35, 0.25):
        parts.append(w.look(length))
        w.go(length)
    total = parts[0]
    for part in parts[1:]:
        total = joined(total, part)
    torch.testing.assert_close(total.end, whole.end, rtol=0, atol=1e-12)
    torch.testing.assert_close(total.area, whole.area, rtol=0, atol=1e-12)


def test_looking_again_shows_the_same() -> None:
    w = path(paths=5)
    for length in (1.0, 0.4, 1.0, 0.7, 0.4):
        piece = w.look(length)
        again = w.look(length)
        assert torch.equal(piece.end, again.end)
    first, then = w.look(0.4), w.look(0.7)
    w.go(0.4)
    rest = w.look(0.3)
    torch.testing.assert_close(joined(first, rest).end, then.end, rtol=0, atol=1e-12)


@pytest.mark.parametrize("a", [1e-6, 0.1, 0.5, 0.9, 1 - 1e-6])
def test_the_bridge_is_gaussian_conditioning(a: float) -> None:
    s = torch.tensor(
        [
            [a, a * a / 2, a, a - a * a / 2],
            [a * a / 2, a**3 / 3, a * a / 2, a * a / 2 - a**3 / 6],
            [a, a * a / 2, 1.0, 0.5],
            [a - a * a / 2, a * a / 2 - a**3 / 6, 0.5, 1 / 3],
        ],
        dtype=torch.float64,
    )
    gain = s[:2, 2:] @ torch.linalg.inv(s[2:, 2:])
    left = s[:2, :2] - gain @ s[2:, :2]
    (m00, m01, m10, m11), (l00, l10, l11) = bridge(a)
    torch.testing.assert_close(torch.tensor([[m00, m01], [m10, m11]], dtype=torch.float64), gain, rtol=1e-9, atol=1e-12)
    lower = torch.tensor([[l00, 0.0], [l10, l11]], dtype=torch.float64)
    torch.testing.assert_close(lower @ lower.T, left, rtol=1e-6, atol=1e-14)


def test_joining_is_integration() -> None:
    one = torch.ones(())
    piece = joined(Piece(2.0, 3 * one, 4 * one), Piece(0.5, one, 0.1 * one))
    assert (piece.length, float(piece.end)) == (2.5, 4.0)
    assert float(piece.area) == pytest.approx(4 + 0.1 + 0.5 * 3)
