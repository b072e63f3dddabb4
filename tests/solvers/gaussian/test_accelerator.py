"""What conditioning asks of an accelerator, exactly; docs/methods/probconserv.md is held to the numbers."""

from pathlib import Path

import pytest
import torch

from heatbath.core.errors import InvalidInput
from heatbath.solvers.gaussian import (
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    LinearConstraint,
    condition,
    water_fill,
)

DOCS = Path(__file__).parents[3] / "docs/methods/probconserv.md"
SIZES = ((2, 21), (5, 201), (201, 50))


def posed(device, generator, form, rows, times, n):
    def draw(*shape):
        return torch.rand(shape, generator=generator, device=device, dtype=torch.float64)

    x = torch.linspace(0, 1, n, device=device, dtype=torch.float64)
    law = {
        "diagonal": lambda: Diagonal(0.1 + draw(times, n)),
        "diagonal plus low rank": lambda: DiagonalPlusLowRank(0.1 + draw(times, n), draw(times, n, 3)),
        "dense": lambda: Dense(0.1 + torch.eye(n, device=device, dtype=torch.float64)),
    }[form]()
    known = LinearConstraint.quadrature(x, draw(times))
    if rows > 1:
        ends = LinearConstraint.dense(torch.eye(n, device=device, dtype=torch.float64)[: rows - 1], draw(rows - 1))
        known = LinearConstraint.stack(known, ends)
    return draw(times, n), law, known


def documented(what):
    if not DOCS.exists():
        pytest.skip("the documentation is not part of an installed package")
    row = next(line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {what} |"))
    return [cell.strip() for cell in row.strip("|").split("|")[1:]]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("form", ["diagonal", "diagonal plus low rank", "dense"])
def test_launches_do_not_grow_with_the_field(accelerator, form, rows):
    seen = set()
    for times, n in SIZES:
        mean, law, known = posed(accelerator.device, accelerator.generator(), form, rows, times, n)
        with accelerator.counting() as moments:
            posterior = condition(mean, law, known)
            posterior.mean, posterior.variance  # noqa: B018
        with accelerator.counting() as drawing:
            posterior.sample(4, accelerator.generator())
        assert posterior.mean.device == accelerator.device
        assert (moments.syncs, moments.uploads, drawing.uploads) == (1, 0, 0), moments
        assert moments.synchronised == {"_local_scalar_dense": 1}
        assert ["checks.py" in str(place) for place in moments.places] == [True]
        assert drawing.syncs == (1 if form == "dense" else 0), drawing  # eigh waits for cuSOLVER's word
        seen.add((moments.launches, drawing.launches))
    assert len(seen) == 1, seen
    ((moments_of, draws_of),) = seen
    waits = "1" if form == "dense" else "0"
    assert documented(f"{form}, {rows} row{'s' if rows > 1 else ''}") == [str(moments_of), "1", str(draws_of), waits]


@pytest.mark.parametrize("form", ["diagonal", "diagonal plus low rank", "dense"])
def test_dependent_rows_take_a_slower_way_of_constant_length(accelerator, form):
    seen = set()
    for times, n in SIZES:
        mean, law, known = posed(accelerator.device, accelerator.generator(), form, 3, times, n)
        rows = known.rows.transposed().mT
        rows = torch.cat([rows, rows[..., :1, :] + 1e-9 * rows[..., 1:2, :]], -2)
        known = LinearConstraint.dense(rows, (rows @ torch.ones_like(mean[0]).unsqueeze(-1)).squeeze(-1))
        with accelerator.counting() as moments:
            posterior = condition(mean, law, known)
            posterior.mean, posterior.variance  # noqa: B018
        assert posterior.factor.mixing is not None
        assert float(posterior.residual().abs().max()) < 1e-12
        assert moments.uploads == 0
        seen.add((moments.launches, moments.syncs))
    assert len(seen) == 1, seen
    ((launches, waits),) = seen
    assert documented(f"{form}, 4 rows, two nearly alike") == [str(launches), str(waits), "-", "-"]


def test_points_on_an_accelerator_are_not_read_before_they_are_used(accelerator):
    index = torch.tensor([0, -1], device=accelerator.device)
    with accelerator.counting() as posing:
        known = LinearConstraint.points(index, torch.zeros(2, device=accelerator.device), 9)
    assert (posing.syncs, posing.uploads) == (0, 0), posing
    mean = torch.ones(9, device=accelerator.device)
    posterior = condition(mean, Diagonal(mean), known)
    assert posterior.mean.cpu().tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0]
    wrong = LinearConstraint.points(index + 9, torch.zeros(2, device=accelerator.device), 9)
    with pytest.raises(InvalidInput, match="`index` must name points from 0 to 8"):
        condition(mean, Diagonal(mean), wrong)


def test_without_the_check_nothing_waits(accelerator):
    for rows in (1, 3):
        mean, law, known = posed(accelerator.device, accelerator.generator(), "diagonal", rows, 4, 30)
        mean.requires_grad_()
        with accelerator.counting() as step:
            posterior = condition(mean, law, known, check=False)
            (posterior.mean.sum() + posterior.variance.sum() + posterior.chi_square().sum()).backward()
        assert (step.syncs, step.uploads) == (0, 0), step


def test_a_posed_quadrature_waits_for_nothing(accelerator):
    x = torch.linspace(0, 1, 50, device=accelerator.device)
    mass = torch.rand(4, device=accelerator.device, generator=accelerator.generator())
    for rule in ("trapezoid", "left", "right", "simpson", "cells"):
        with accelerator.counting() as posing:
            LinearConstraint.quadrature(x, mass, rule, noise=0.1)
            LinearConstraint.second_difference(50, 0.1, like=x)
        assert (posing.syncs, posing.uploads) == (0, 0), posing


def test_water_filling_waits_once(accelerator):
    seen = set()
    for times, n in SIZES:
        mean, law, known = posed(accelerator.device, accelerator.generator(), "diagonal", 1, times, n)
        with accelerator.counting() as filling:
            y = water_fill(mean, law.d, known.rows.weights, known.rhs.squeeze(-1))
        assert (filling.syncs, filling.uploads) == (1, 0), filling
        seen.add(filling.launches)
    assert float(known.residual(y).abs().max()) < 1e-12
    assert len(seen) == 1
    assert documented("water-filling") == [str(seen.pop()), "1", "-", "-"]


@pytest.mark.gpu
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("form", ["diagonal", "diagonal plus low rank", "dense"])
def test_cuda_gives_the_numbers_of_the_cpu(form, rows):
    mean, law, known = posed(torch.device("cuda"), torch.Generator("cuda").manual_seed(0), form, rows, 7, 101)
    posterior = condition(mean, law, known)
    assert posterior.residual().abs().max() < 1e-12
    assert known.residual(posterior.sample(5, torch.Generator("cuda").manual_seed(1))).abs().max() < 1e-12
    here = type(law)(*(value.cpu() for value in vars(law).values()))
    rows_here = LinearConstraint.dense(known.rows.transposed().mT.cpu(), known.rhs.cpu())
    again = condition(mean.cpu(), here, rows_here)
    torch.testing.assert_close(posterior.mean.cpu(), again.mean, rtol=0, atol=1e-11)
    torch.testing.assert_close(posterior.variance.cpu(), again.variance, rtol=0, atol=1e-11)


@pytest.mark.gpu
def test_cuda_waits_for_nothing_without_the_check():
    mean, law, known = posed(torch.device("cuda"), torch.Generator("cuda").manual_seed(0), "diagonal", 1, 7, 101)
    condition(mean, law, known, check=False).mean.sum()  # libraries set themselves up
    torch.cuda.set_sync_debug_mode("error")
    try:
        posterior = condition(mean, law, known, check=False)
        posterior.mean, posterior.variance  # noqa: B018
        posterior.sample(3, torch.Generator("cuda").manual_seed(1))
    finally:
        torch.cuda.set_sync_debug_mode("default")
