"""Stochastic Runge-Kutta methods as data. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

Row = tuple[float, ...]


@dataclass(frozen=True)
class StochasticTableau:
    """A method of strong order 1.5.

    H0_i = u + h sum_j a0_ij k_j + chi2 sum_j b0_ij g_j          k_i = f(t + c0_i h, H0_i)
    H1_i = u + h sum_j a1_ij k_j + sqrt(h) sum_j b1_ij g_j       g_i = g(t + c1_i h, H1_i)
    u_{n+1} = u + h sum_i alpha_i k_i + sum_i (dW beta1_i + chi1 beta2_i + chi2 beta3_i + chi3 beta4_i) g_i

    Args:
        name: as registered.
        a0, a1, b0, b1: rows below the diagonal, the first empty.
        c0, c1: abscissas of drift and diffusion.
        alpha, beta1, beta2, beta3, beta4: weights, one a stage.
        stiff_pair: two drift stages (counted from 0) at one abscissa, which are compared for the stiffness, or None.
        stability_size: where the real stability interval ends, where it is known.
        reference: where the coefficients stand.
    """

    name: str
    a0: tuple[Row, ...]
    a1: tuple[Row, ...]
    b0: tuple[Row, ...]
    b1: tuple[Row, ...]
    c0: Row
    c1: Row
    alpha: Row
    beta1: Row
    beta2: Row
    beta3: Row
    beta4: Row
    stiff_pair: tuple[int, int] | None
    stability_size: float | None
    reference: str

    @property
    def additive(self) -> bool:
        """Whether the noise may not depend on the state: chi1 and chi3 have no weight."""
        return not any((*self.beta2, *self.beta4))

    @property
    def stages(self) -> int:
        """Number of stages, each an evaluation of drift and diffusion."""
        return len(self.alpha)


_RACKAUCKAS = (
    "Rackauckas and Nie, Stability-optimized high order methods and stiffness detection for pathwise stiff SDEs"
)

SOSRI = StochasticTableau(
    name="sosri",
    a0=(
        (),
        (-0.04199224421316468,),
        (2.842612915017106, -2.0527723684000727),
        (4.338237071435815, -2.8895936137439793, 2.3017575594644466),
    ),
    a1=(
        (),
        (0.26204282091330466,),
        (0.20903646383505375, -0.1502377115150361),
        (0.05836595312746999, 0.6149440396332373, 0.08535117634046772),
    ),
    b0=(
        (),
        (-0.21641093549612528,),
        (1.5336352863679572, 0.26066223492647056),
        (-1.0536037558179159, 1.7015284721089472, -0.20725685784180017),
    ),
    b1=(
        (),
        (-0.5119011827621657,),
        (2.67767339866713, -4.9395031322250995),
        (0.15580956238299215, 3.2361551006624674, -1.4223118283355949),
    ),
    c0=(0.0, -0.04199224421316468, 0.7898405466170333, 3.7504010171562823),
    c1=(0.0, 0.26204282091330466, 0.05879875232001766, 0.758661169101175),
    alpha=(1.140099274172029, -0.6401334255743456, 0.4736296532772559, 0.026404498125060714),
    beta1=(-1.8453464565104432, 2.688764531100726, -0.2523866501071323, 0.40896857551684956),
    beta2=(0.4969658141589478, -0.5771202869753592, -0.12919702470322217, 0.2093514975196336),
    beta3=(2.8453464565104425, -2.688764531100725, 0.2523866501071322, -0.40896857551684945),
    beta4=(0.11522663875443433, -0.57877086147738, 0.2857851028163886, 0.17775911990655704),
    stiff_pair=None,
    stability_size=None,
    reference=_RACKAUCKAS,
)

SOSRI2 = StochasticTableau(
    name="sosri2",
    a0=(
        (),
        (0.13804532298278663,),
        (0.5818361298250374, 0.4181638701749618),
        (0.4670018408674211, 0.8046204792187386, -0.27162232008616016),
    ),
    a1=(
        (),
        (0.45605532163856893,),
        (0.7555807846451692, 0.24441921535482677),
        (0.6981181143266059, 0.3453277086024727, -0.04344582292908241),
    ),
    b0=(
        (),
        (0.08852381537667678,),
        (1.0317752458971061, 0.4563552922077882),
        (1.73078280444124, -0.46089678470929774, -0.9637509618944188),
    ),
    b1=(
        (),
        (0.6753186815412179,),
        (-0.07452812525785148, -0.49783736486149366),
        (-0.5591906709928903, 0.022696571806569924, -0.8984927888368557),
    ),
    c0=(0.0, 0.13804532298278663, 0.9999999999999992, 0.9999999999999994),
    c1=(0.0, 0.45605532163856893, 0.999999999999996, 0.9999999999999962),
    alpha=(-0.15036858140642623, 0.7545275856696072, 0.686995463807979, -0.2911544680711602),
    beta1=(-0.45315689727309133, 0.8330937231303951, 0.3792843195533544, 0.24077885458934192),
    beta2=(-0.4994383733810986, 0.9181786186154077, -0.25613778661003145, -0.16260245862427797),
    beta3=(1.4531568972730915, -0.8330937231303933, -0.3792843195533583, -0.24077885458934023),
    beta4=(-0.4976090683622265, 0.9148155835648892, -1.4102107084476505, 0.9930041932449877),
    stiff_pair=(3, 2),
    stability_size=10.6,
    reference=_RACKAUCKAS,
)

SRA1 = StochasticTableau(
    name="sra1",
    a0=((), (0.75,)),
    a1=((), (0.0,)),
    b0=((), (1.5,)),
    b1=((), (0.0,)),
    c0=(0.0, 0.75),
    c1=(1.0, 0.0),
    alpha=(1 / 3, 2 / 3),
    beta1=(1.0, 0.0),
    beta2=(0.0, 0.0),
    beta3=(-1.0, 1.0),
    beta4=(0.0, 0.0),
    stiff_pair=None,
    stability_size=None,
    reference="Roessler, SIAM J. Numerical Analysis 48, 2010",
)
"""For additive noise."""

METHODS = {tableau.name: tableau for tableau in (SOSRI, SOSRI2, SRA1)}
