"""Explicit Runge-Kutta methods as data. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Row = tuple[float, ...]
Polynomial = tuple[float, ...]
"""Coefficients of theta, theta^2, ..; there is no constant term."""


@dataclass(frozen=True)
class Tableau:
    """A method whose last stage is evaluated at the new state, so that it serves as the first of the next step.

    g_i = u + h sum_{j<i} a_ij k_j,  k_i = f(t + c_i h, g_i);  u_{n+1} = g_s, the last stage's state
    error estimate: h sum_i error_i k_i;  dense output: u(t + theta h) = u + h sum_i b_i(theta) k_i

    Args:
        name: as registered.
        order: of the state; a controller takes the local error of the estimate to be of this order too.
        c: abscissas, one a stage.
        a: rows below the diagonal, one a stage, the first empty; the last holds the weights of the new state.
        error: weights of the error estimate, one a stage; empty where there is none. They sum to 0.
        interpolant: one polynomial a stage.
        interpolation_order: of the dense output over one step.
        stiff_pair: two stages (counted from 0) whose slopes and states are compared for the stiffness.
        stability_size: where the real stability interval ends; h S beyond it is unstable.
        reference: where the coefficients stand.
    """

    name: str
    order: int
    c: Row
    a: tuple[Row, ...]
    error: Row
    interpolant: tuple[Polynomial, ...]
    interpolation_order: int
    stiff_pair: tuple[int, int]
    stability_size: float
    reference: str

    @property
    def stages(self) -> int:
        """Number of stages, that at the new state included."""
        return len(self.c)

    @property
    def b(self) -> Row:
        """Weights of the new state, one a stage."""
        return (*self.a[-1], 0.0)


def dense_weights(tableau: Tableau, theta: float) -> Row:
    """b_i(theta), one a stage.

    >>> round(sum(dense_weights(TSIT5, 0.3)), 12)  # a constant slope gives theta
    0.3
    """
    weights = []
    for polynomial in tableau.interpolant:
        value = 0.0
        for coefficient in reversed(polynomial):
            value = (value + coefficient) * theta
        weights.append(value)
    return tuple(weights)


def _product(*factors: Sequence[float]) -> Polynomial:
    """Coefficients of a product of polynomials, from the constant on."""
    result = [1.0]
    for factor in factors:
        product = [0.0] * (len(result) + len(factor) - 1)
        for i, x in enumerate(result):
            for j, y in enumerate(factor):
                product[i + j] += x * y
        result = product
    return tuple(result)


def _without_constant(*factors: Sequence[float]) -> Polynomial:
    return _product(*factors)[1:]


def hermite(b: Row, correction: Row | None = None) -> tuple[Polynomial, ...]:
    """The cubic through both states and slopes, as polynomials a stage; `correction` adds theta^2 (1 - theta)^2 d_i.

    b_i(theta) = theta b_i + theta (1 - theta) (e1_i - b_i) + theta^2 (1 - theta) (2 b_i - e1_i - es_i)

    with e1 = 1 for the first stage and es = 1 for the last.
    """
    last = len(b) - 1
    rows = []
    for i, weight in enumerate(b):
        first, end = float(i == 0), float(i == last)
        d = correction[i] if correction else 0.0
        middle = 2 * weight - first - end
        quartic = (d,) if correction else ()
        rows.append((first, -first + weight + middle + d, -middle - 2 * d, *quartic))
    return tuple(rows)


HEUN_EULER = Tableau(
    name="heun-euler",
    order=2,
    c=(0.0, 1.0, 1.0),
    a=((), (1.0,), (0.5, 0.5)),
    error=(-0.5, 0.5, 0.0),
    interpolant=hermite((0.5, 0.5, 0.0)),
    interpolation_order=2,
    stiff_pair=(2, 1),
    stability_size=2.0,
    reference="Heun 1900, with Euler's step embedded",
)
"""The third stage is the slope at the new state: it costs nothing, since the next step begins with it."""

BOSH3 = Tableau(
    name="bosh3",
    order=3,
    c=(0.0, 1 / 2, 3 / 4, 1.0),
    a=((), (1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
    error=(2 / 9 - 7 / 24, 1 / 3 - 1 / 4, 4 / 9 - 1 / 3, -1 / 8),
    interpolant=hermite((2 / 9, 1 / 3, 4 / 9, 0.0)),
    interpolation_order=3,
    stiff_pair=(3, 2),  # Deviation: the abscissas differ, so an explicit dependence on time adds to S.
    stability_size=2.512745,
    reference="Bogacki and Shampine, Applied Mathematics Letters 2, 1989",
)

_DOPRI5_B = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0)
DOPRI5 = Tableau(
    name="dopri5",
    order=5,
    c=(0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        _DOPRI5_B[:-1],
    ),
    error=(
        35 / 384 - 1951 / 21600,
        0.0,
        500 / 1113 - 22642 / 50085,
        125 / 192 - 451 / 720,
        -2187 / 6784 + 12231 / 42400,
        11 / 84 - 649 / 6300,
        -1 / 60,
    ),
    interpolant=hermite(
        _DOPRI5_B,
        (
            -12715105075 / 11282082432,
            0.0,
            87487479700 / 32700410799,
            -10690763975 / 1880347072,
            701980252875 / 199316789632,
            -1453857185 / 822651844,
            69997945 / 29380423,
        ),
    ),
    interpolation_order=4,
    stiff_pair=(6, 5),
    stability_size=3.306568,
    reference="Dormand and Prince, J. Comp. Appl. Math. 6, 1980, with Shampine's weights of the error, 1986; "
    "dense output: Hairer, Norsett, Wanner I, section II.6",
)

TSIT5 = Tableau(
    name="tsit5",
    order=5,
    c=(0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0),
    a=(
        (),
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
        (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.02826905039406838),
        (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
    ),
    # Deviation: the article prints the last weight with the wrong sign; the weights must sum to zero.
    error=(
        -0.00178001105222577714,
        -0.0008164344596567469,
        0.007880878010261995,
        -0.1447110071732629,
        0.5823571654525552,
        -0.45808210592918697,
        1 / 66,
    ),
    interpolant=(
        _without_constant(
            (0.0, -1.0530884977290216), (-1.3299890189751412, 1.0), (0.7139816917074209, -1.4364028541716351, 1.0)
        ),
        _without_constant((0.0, 0.0, 0.1017), (1.2949852507374631, -2.1966568338249754, 1.0)),
        _without_constant((0.0, 0.0, 2.490627285651252793), (1.57803468208092486, -2.38535645472061657, 1.0)),
        _without_constant((0.0, 0.0, -16.54810288924490272), (-1.21712927295533244, 1.0), (-0.61620406037800089, 1.0)),
        _without_constant((0.0, 0.0, 47.37952196281928122), (-1.203071208372362603, 1.0), (-0.658047292653547382, 1.0)),
        _without_constant((0.0, 0.0, -34.87065786149660974), (-1.2, 1.0), (-2 / 3, 1.0)),
        _without_constant((0.0, 0.0, 2.5), (-1.0, 1.0), (-0.6, 1.0)),
    ),
    interpolation_order=4,
    stiff_pair=(6, 5),
    stability_size=3.5068,
    reference="Tsitouras, Computers and Mathematics with Applications 62, 2011",
)

_DOPRI8_B = (
    14005451 / 335480064, 0.0, 0.0, 0.0, 0.0, -59238493 / 1068277825, 181606767 / 758867731, 561292985 / 797845732,
    -1041891430 / 1371343529, 760417239 / 1151165299, 118820643 / 751138087, -528747749 / 2220607170, 1 / 4, 0.0,
)  # fmt: skip
_DOPRI7_B = (
    13451932 / 455176623, 0.0, 0.0, 0.0, 0.0, -808719846 / 976000145, 1757004468 / 5645159321, 656045339 / 265891186,
    -3867574721 / 1518517206, 465885868 / 322736535, 53011238 / 667516719, 2 / 45, 0.0, 0.0,
)  # fmt: skip
DOPRI8 = Tableau(
    name="dopri8",
    order=8,
    c=(
        0.0, 1 / 18, 1 / 12, 1 / 8, 5 / 16, 3 / 8, 59 / 400, 93 / 200, 5490023248 / 9719169821, 13 / 20,
        1201146811 / 1299019798, 1.0, 1.0, 1.0,
    ),
    a=(
        (),
        (1 / 18,),
        (1 / 48, 1 / 16),
        (1 / 32, 0.0, 3 / 32),
        (5 / 16, 0.0, -75 / 64, 75 / 64),
        (3 / 80, 0.0, 0.0, 3 / 16, 3 / 20),
        (29443841 / 614563906, 0.0, 0.0, 77736538 / 692538347, -28693883 / 1125000000, 23124283 / 1800000000),
        (16016141 / 946692911, 0.0, 0.0, 61564180 / 158732637, 22789713 / 633445777, 545815736 / 2771057229,
         -180193667 / 1043307555),
        (39632708 / 573591083, 0.0, 0.0, -433636366 / 683701615, -421739975 / 2616292301, 100302831 / 723423059,
         790204164 / 839813087, 800635310 / 3783071287),
        (246121993 / 1340847787, 0.0, 0.0, -37695042795 / 15268766246, -309121744 / 1061227803, -12992083 / 490766935,
         6005943493 / 2108947869, 393006217 / 1396673457, 123872331 / 1001029789),
        (-1028468189 / 846180014, 0.0, 0.0, 8478235783 / 508512852, 1311729495 / 1432422823, -10304129995 / 1701304382,
         -48777925059 / 3047939560, 15336726248 / 1032824649, -45442868181 / 3398467696, 3065993473 / 597172653),
        (185892177 / 718116043, 0.0, 0.0, -3185094517 / 667107341, -477755414 / 1098053517, -703635378 / 230739211,
         5731566787 / 1027545527, 5232866602 / 850066563, -4093664535 / 808688257, 3962137247 / 1805957418,
         65686358 / 487910083),
        (403863854 / 491063109, 0.0, 0.0, -5068492393 / 434740067, -411421997 / 543043805, 652783627 / 914296604,
         11173962825 / 925320556, -13158990841 / 6184727034, 3936647629 / 1978049680, -160528059 / 685178525,
         248638103 / 1413531060, 0.0),
        _DOPRI8_B[:-1],
    ),
    error=tuple(eighth - seventh for eighth, seventh in zip(_DOPRI8_B, _DOPRI7_B, strict=True)),
    interpolant=(
        (1.0, -6.6910181737837595697, 19.9990069333683970610, -30.0610568289666450593, 22.1396504998094068976,
         -6.3448349392860401388),
        (),
        (),
        (),
        (),
        (0.0, -7.6142658045872677172, 52.2273532792945524050, -121.4999627731334642623, 116.4422149550342161651,
         -39.6107919852202505218),
        (0.0, 10.7281392630428866124, -46.8919164181093621583, 83.1721004639847717481, -67.1451318825957197185,
         20.3761213808791436958),
        (0.0, 0.5526637063753648783, -0.1890893225010595467, 9.5724507555993664382, -16.5672243527496524646,
         7.3347098826795362023),
        (0.0, 4.2186562625665153803, -35.7075975946222072821, 87.8406057677205645007, -89.9916014847245016028,
         32.8801774352459155182),
        (0.0, -0.6627209125361597559, 6.2736448083240352160, -17.4152107770762969005, 22.6237489648532849093,
         -10.1588990526426760954),
        (0.0, -1.2636789001135462218, 10.3160881272450748458, -28.5903289514790976966, 32.2362340167355370113,
         -12.5401268098782561200),
        (0.0, 5.4106037898590422230, -34.7650769866611817349, 81.6630950584341412934, -82.1020315488359848644,
         29.5553001484516038033),
        (0.0, -7.0321379067945741781, 47.7457971078225540396, -114.9375291377009418170, 116.2662185791119533462,
         -41.7923486424390588923),
        (0.0, 2.3537586759714983486, -19.0082099341608028453, 50.2558364226176017553, -53.9020777466385396792,
         20.3006925822100825485),
    ),
    interpolation_order=5,
    stiff_pair=(13, 12),
    stability_size=5.166643,
    reference="Prince and Dormand, J. Comp. Appl. Math. 7, 1981, RK8(7)13M; dense output: Baker, Dormand, Gilmore, "
    "Prince, Applied Numerical Mathematics 22, 1996, as in torchdiffeq",
)  # fmt: skip

RK4 = Tableau(
    name="rk4",
    order=4,
    c=(0.0, 1 / 2, 1 / 2, 1.0, 1.0),
    a=((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
    error=(),
    interpolant=hermite((1 / 6, 1 / 3, 1 / 3, 1 / 6, 0.0)),
    interpolation_order=3,
    stiff_pair=(2, 1),
    stability_size=2.785294,
    reference="Kutta 1901",
)

ADAPTIVE = {tableau.name: tableau for tableau in (TSIT5, DOPRI5, BOSH3, HEUN_EULER, DOPRI8)}
