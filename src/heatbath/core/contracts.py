"""The contracts: a few frozen carriers, and the protocols that pass them. Imports nothing heavy.

A component declares in `needs` which values it reads, and a task says which it provides. The vocabulary is closed:

========================  ==============================================================================================
`inputs`                  what the model was given, axes `(batch, time, ...)`
`prediction`              a tensor shaped like `target`
`target`                  the data, axes `(batch, time, ...)`
`belief`                  the law that `prediction` is the mean of (a `Gaussian`)
`index`                   which samples of the data set these are, shape `(batch,)`, int64
`weight`                  of each sample in a mean, shape `(batch,)`
`mask`                    which entries of `target` count, bool, broadcastable to it
`model`                   the module that predicts
`constraint`              the experiment's constraint for these samples (a `BoundConstraint`)
`solution:<name>`         what the solver recorded under that name
`feedback:<name>`         what a schedule listens to
`fact:<name>`             a constant of the problem, named on the problem's page in the docs
========================  ==============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure
    from torch import Generator, Tensor

VALUES = frozenset({"inputs", "prediction", "target", "belief", "index", "weight", "mask", "model", "constraint"})
PREFIXES = ("solution:", "feedback:", "fact:")

Phase = Literal["train", "evaluate"]
Outcome = Literal["finished", "collapsed", "diverged", "failed"]
NOTHING: frozenset[str] = frozenset()


def in_vocabulary(name: str) -> bool:
    """Whether a name may stand in `needs`.

    >>> in_vocabulary("solution:error"), in_vocabulary("preds")
    (True, False)
    """
    return name in VALUES or any(name.startswith(prefix) and name != prefix for prefix in PREFIXES)


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a run stands: `step` steps done of `total`. What a step is, the experiment says.

    >>> Clock(5, 20).progress
    0.25
    """

    step: int
    total: int

    @property
    def progress(self) -> float:
        """Fraction done, in [0, 1]."""
        return self.step / max(self.total, 1)


@dataclass(frozen=True, slots=True)
class StepContext:
    """Named values of one step. A component sees only those that it declared in `needs`, and its own generator."""

    clock: Clock
    values: Mapping[str, Any]
    phase: Phase = "train"
    generator: Generator | None = None

    def __getitem__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise KeyError(f"{name!r} is not among {sorted(self.values)}; declare it in `needs`") from None

    def only(self, names: frozenset[str], generator: Generator | None = None) -> StepContext:
        """This context, narrowed to `names`."""
        return replace(self, values={name: self[name] for name in sorted(names)}, generator=generator)


@dataclass(frozen=True, slots=True)
class Term:
    """A loss: per sample, shape `(batch,)`, or 0-d from a loss with `reduced = True`.

    `diagnostics` are detached 0-d tensors, logged beside it.
    """

    value: Tensor
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Solution:
    """What any solver returns.

    Args:
        value: the problem's answer, states after any replacement by `on_step`.
        ok: whether the solver reached the end; if not, `value` is what there is and `stats` says why.
        stats: counts and other numbers on the host, such as `evaluations`.
        trace: what was asked for in `record`; `proposal` are the states before replacement.
    """

    value: Any
    ok: bool = True
    stats: Mapping[str, float | str] = field(default_factory=dict)
    trace: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InitialValue:
    """Problem `ode`: y' = derivative(t, y), y(times[0]) = initial_state.

    The answer has shape `(len(times), *initial_state.shape)`. Times are numbers, sorted up or down.

    Args:
        derivative: shaped like the state. `t` is a number; a solver whose options say so may give a tensor that
            broadcasts against the state.
        initial_state: any shape; the first axis is the batch.
        times: where the answer is wanted, the initial time first.
        event: `(t, y)` -> a tensor; the integration ends where an entry of it first changes sign.
        parameters: tensors that the derivative depends on beside the state, for solvers that make gradients by hand;
            those of a module need not be listed.
    """

    derivative: Callable[[float, Tensor], Tensor]
    initial_state: Tensor
    times: tuple[float, ...]
    event: Callable[[float, Tensor], Tensor] | None = None
    parameters: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class StochasticInitialValue:
    """Problem `sde`: dy = drift(t, y) dt + diffusion(t, y) dW in the sense of Ito, y(times[0]) = initial_state.

    The noise is diagonal: each entry of the state has a Brownian motion of its own, so that the diffusion is shaped
    like the state, and an entry of it depends on no other entry. The answer has shape
    `(len(times), *initial_state.shape)`.

    Args:
        drift: shaped like the state.
        diffusion: shaped like the state; for additive noise it depends on time alone.
        initial_state: any shape; the first axis is the batch.
        times: where the answer is wanted, the initial time first, increasing.
    """

    drift: Callable[[float, Tensor], Tensor]
    diffusion: Callable[[float, Tensor], Tensor]
    initial_state: Tensor
    times: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Problem `recurrence`: z_{t+1} = transition(z_t), `length` times from initial_state, shape `(batch, dim)`.

    The answer holds z_1 .. z_length, shape `(length, batch, dim)`. Where there are external `inputs`, shape
    `(length, batch, K)`, it is z_{t+1} = transition(z_t, inputs[t]).
    """

    transition: Callable[..., Tensor]
    initial_state: Tensor
    length: int
    inputs: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Marginals:
    """Problem `coupling`: a joint law of low entropy with these marginals, each of shape `(n_k,)` and of sum one.

    The answer has the atoms of the law: `indices`, shape `(marginals, atoms)`, int64, and their `mass`, shape
    `(atoms,)`.
    """

    masses: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Problem `bottleneck`: a code T that tells much about X, with H(T) of at most `rate` bits.

    Args:
        source: p(x), shape `(n,)`.
        rate: in bits, at least 0.

    The answer is the code of every symbol, shape `(n,)`, int64, or p(t | x), shape `(n, codes)`, float64.
    """

    source: Any
    rate: float


@dataclass(frozen=True, slots=True)
class MatrixGame:
    """Problem `game`: max_p min_q p^T payoff q + t1 H(p) - t2 H(q), entropies in nats; `temperatures` are (t1, t2).

    The answer has the strategies of both players: `row`, shape `(m,)`, and `column`, shape `(n,)`. At temperatures 0 it
    is a Nash equilibrium, for solvers that take 0.

    Args:
        payoff: what the row player gets and the column player pays, shape `(m, n)`.
        temperatures: in the unit of the payoff, at least 0.
    """

    payoff: Any
    temperatures: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A normal law with covariance diag(variance) + spread spread^T - factor factor^T.

    So written, laws are closed under the two things that happen to them: members of an ensemble are merged (their means
    differ by `spread`), and linear observations are taken into account (each takes a column of `factor` away).

    Args:
        mean: shape `(batch, n)`.
        variance: shape `(batch, n)`.
        factor: shape `(batch, n, k)`, or None for nothing.
        spread: shape `(batch, n, l)`, or None for nothing.
    """

    mean: Tensor
    variance: Tensor
    factor: Tensor | None = None
    spread: Tensor | None = None

    @property
    def marginal_variance(self) -> Tensor:
        """The covariance's diagonal, at least 0, shape `(batch, n)`."""
        variance = self.variance
        if self.spread is not None:
            variance = variance + self.spread.square().sum(-1)
        if self.factor is not None:
            variance = (variance - self.factor.square().sum(-1)).clamp_min(0.0)
        return variance


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Problem `conditioning`: u is normal, and rhs = rows u + e was observed, with e ~ N(0, noise), apart from u.

    The answer is the law of u after that: it has `mean` and `marginal_variance`, both `(..., n)`.

    Args:
        belief: the law of u before, a `Gaussian`; or what has a `mean` and a `covariance` that the solver understands.
        rows: shape `(m, n)`; or what has `matvec` and `rmatvec`, for solvers that need no more.
        rhs: shape `(..., m)`.
        noise: variance of each entry of e, a number or of shape `(..., m)`; 0 means that rows u = rhs holds exactly.
    """

    belief: Any
    rows: Any
    rhs: Tensor
    noise: Any = 0.0


@dataclass(frozen=True, slots=True)
class Transition:
    """What an agent lived through; every field has a leading batch axis. `state` is the agent's own."""

    observation: Any
    action: Any
    reward: Any = None
    next_observation: Any = None
    terminated: Any = None
    state: Any = None


StepHook = Callable[[float, Any, Mapping[str, Any]], Any]
"""`(t, y, info)` -> the state to go on from, or None to keep `y`. Called after each accepted step.

`t` is a number; a solver whose options say so may give a tensor that broadcasts against the state."""


@runtime_checkable
class Loss(Protocol):
    """Calls see only what `needs` names. A regulariser is a loss that needs no `target`."""

    needs: frozenset[str]
    reduced: bool

    def __call__(self, context: StepContext) -> Term: ...


@runtime_checkable
class Solver(Protocol):
    """`records` names what the trace can hold; only what is asked for in `record` is kept."""

    records: frozenset[str]

    def solve(
        self,
        problem: Any,
        *,
        record: frozenset[str] = NOTHING,
        on_step: StepHook | None = None,
        generator: Generator | None = None,
    ) -> Solution: ...


@runtime_checkable
class Schedule(Protocol):
    """A number over a run, or a law of numbers; `needs` names the feedback that `observe` expects."""

    needs: frozenset[str]

    def value(self, clock: Clock) -> float: ...

    def sample(self, clock: Clock, count: int, generator: Generator) -> Tensor:
        """`count` draws of a schedule that is a law, shape `(count,)`; else `value`, repeated."""

    def observe(self, feedback: Mapping[str, Any]) -> None: ...


class BoundConstraint(Protocol):
    """A constraint for the samples at hand."""

    def residual(self, y: Tensor) -> Tensor: ...

    def condition(self, belief: Gaussian) -> Gaussian: ...


@runtime_checkable
class Constraint(Protocol):
    """A task provides `at(values)` to losses and metrics as `constraint`."""

    needs: frozenset[str]

    def at(self, values: Mapping[str, Any]) -> BoundConstraint: ...


@runtime_checkable
class Agent(Protocol):
    """One player. It owns what it learns from; its state during play goes through its caller's hands."""

    def reset(self, mode: Phase, batch: int) -> Any:
        """The state at the start of `batch` new episodes."""

    def act(self, observation: Any, state: Any, generator: Generator) -> tuple[Any, Any]:
        """Actions, with a leading batch axis, and the state after them."""

    def observe(self, transition: Transition) -> Any:
        """Take note of a transition; the new state."""

    def update(self, generator: Generator) -> Mapping[str, float]:
        """Learn from what was noted; metrics."""


@runtime_checkable
class Metric(Protocol):
    """torchmetrics' protocol, on contexts. `compute` gives a number, or several by name."""

    needs: frozenset[str]

    def update(self, context: StepContext) -> None: ...

    def compute(self) -> float | Mapping[str, float]: ...

    def reset(self) -> None: ...


class Saved(Protocol):
    """A picture that writes itself, as animations do."""

    def save(self, path: Path) -> None: ...


Picture: TypeAlias = "Figure | Saved"
"""A matplotlib figure, or what has `save(path)` instead."""


@runtime_checkable
class Task(Protocol):
    """One experiment, built; the loop knows nothing else about a method.

    A task may also have `chunk`, the number of steps that one call of `step` does (1 where absent; the last call may
    do fewer), `references()`, columns of values to print beside its own, `outcome(metrics)`, which says `finished` or
    `collapsed`, and `score`, the name of a metric, the smaller the better, by which the best evaluation of a run is
    reported beside the last, and its checkpoint kept.
    """

    def step(self, clock: Clock) -> Mapping[str, Tensor | float]:
        """One chunk of work; metrics, all finite, which the host reads once."""

    def evaluate(self, clock: Clock, generator: Generator) -> Mapping[str, float]:
        """Measure, with a generator of its own, changing nothing."""

    def barrier(self) -> None:
        """Called before every checkpoint: drop what cannot be saved (environments reset here)."""

    def figures(self) -> Mapping[str, Callable[[], Picture]]:
        """Pictures by file name, drawn when called; `course` becomes course.png, `course.gif` keeps its ending."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain Python. Components that `setup.build` made are saved by the host, not here."""

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
