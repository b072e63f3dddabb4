"""The Kuramoto-Sivashinsky equation on a ring."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from heatbath.envs.chaotic import options as opt
from heatbath.envs.chaotic.exponents import Exponents
from heatbath.envs.chaotic.flow import System, normal
from heatbath.solvers.ode.etdrk4 import ETDRK4, etdrk4_coefficients, etdrk4_step

EXPONENTS = {
    22.0: Exponents((0.048,), 5.2, "Cvitanovic, Davidchack, Siminos, SIAM J. Appl. Dyn. Syst. 9, 2010", 0.002),
}
"""By length. Quoted from memory, and ours agrees; Edson et al., ANZIAM J. 61, 2019, have 0.043 and the dimension."""


class KuramotoSivashinsky(System):
    """u_t = -u u_x - u_xx - u_xxxx, u(x + L, t) = u(x, t), pseudo-spectral in space, ETDRK4 in time.

    The state is u at N equidistant points. Its mean stays what it is; starts have mean 0.

    Symbols: v, the real Fourier transform of u; k, wavenumbers 2 pi j / L; v' = (k^2 - k^4) v - i k / 2 F(u^2).

    Reference:
        Kuramoto, Prog. Theor. Phys. Suppl. 64, 1978; Sivashinsky, Acta Astronaut. 4, 1977; the scheme: Kassam and
        Trefethen, SIAM J. Sci. Comput. 26, 2005.
    """

    transient = 2_000

    def __init__(self, options: opt.KuramotoSivashinsky, setup: Any) -> None:
        self.dim, self.length = options.variables, options.length
        self.time_step, self.substeps = options.time_step, options.substeps
        k = 2 * math.pi / self.length * torch.arange(self.dim // 2 + 1, dtype=torch.float64)
        self._coefficients = etdrk4_coefficients(k**2 - k**4, self.time_step / self.substeps)
        k[-1] = 0.0  # the derivative of the highest mode is invisible on the grid
        self._slope = -0.5j * k
        self.exponents = EXPONENTS.get(self.length)

    def start(self, batch: int, generator: Generator) -> Tensor:
        """Small random combinations of the four longest waves."""
        x = torch.arange(self.dim, dtype=torch.float64, device=generator.device) * (2 * math.pi / self.dim)
        waves = torch.arange(1, 5, dtype=torch.float64, device=generator.device).unsqueeze(1) * x
        return normal((batch, 4), generator) @ waves.cos() + normal((batch, 4), generator) @ waves.sin()

    def step(self, state: Tensor) -> Tensor:
        c, nonlinear = self._in_torch(state)
        v = torch.fft.rfft(state)
        for _ in range(self.substeps):
            v = etdrk4_step(c, nonlinear, v)
        stepped: Tensor = torch.fft.irfft(v, n=self.dim)
        return stepped

    def _in_torch(self, state: Tensor) -> tuple[ETDRK4, Callable[[Any], Any]]:
        """Coefficients and nonlinear part, in the precision and on the device of the state."""
        c = ETDRK4(**{f.name: getattr(self._coefficients, f.name).to(state) for f in fields(ETDRK4)})
        slope = self._slope.to(device=state.device, dtype=torch.promote_types(state.dtype, torch.complex32))
        return c, lambda v: slope * torch.fft.rfft(torch.fft.irfft(v, n=self.dim).square())

    def _in_numpy(self) -> tuple[ETDRK4, Callable[[Any], Any]]:
        """The same in numpy, whose calls cost a third of torch's at this size."""
        c = ETDRK4(**{f.name: getattr(self._coefficients, f.name).numpy() for f in fields(ETDRK4)})
        slope = self._slope.numpy()
        return c, lambda v: slope * np.fft.rfft(np.square(np.fft.irfft(v, self.dim)))

    def _run(self, state: Tensor, points: int, skip: int) -> Tensor:
        """All in Fourier space until the end."""
        if not points:
            return state.new_empty(len(state), 0, self.dim)
        v: Any
        seen: Any
        if state.device.type == "cpu" and state.dtype == torch.float64:
            c, nonlinear = self._in_numpy()
            v = np.fft.rfft(state.detach().numpy())
            seen = np.empty((points, *v.shape), dtype=v.dtype)
        else:
            c, nonlinear = self._in_torch(state)
            v = torch.fft.rfft(state)
            seen = v.new_empty(points, *v.shape)
        with torch.inference_mode(), np.errstate(all="ignore"):  # what overflows is found by `series`
            for index in range(-skip, points):
                for _ in range(self.substeps):
                    v = etdrk4_step(c, nonlinear, v)
                if index >= 0:
                    seen[index] = v
        series: Tensor = torch.fft.irfft(torch.as_tensor(seen), n=self.dim).transpose(0, 1).contiguous()
        return series
