"""Reading options: frozen dataclasses with picks in them, filled by tyro from a command line or a table.

Every way in (command line, TOML file, keyword arguments, a run's `config.json`) becomes arguments, so there is one
check of all. A pick is first replaced by a dataclass of the names that fit its slot and the options of the component
that was named; tyro then sees ordinary dataclasses. Values are data: nothing here imports what a user wrote.
"""

from __future__ import annotations

import difflib
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import Field, dataclass, field, fields, is_dataclass, make_dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import tyro

from heatbath.core.choices import NONE, SLOTS, Pick, Slots
from heatbath.core.errors import ConfigError
from heatbath.core.host import Host
from heatbath.core.plan import RESERVED, Place, Plan
from heatbath.core.presets import preset
from heatbath.core.text import Page

FLAT = tyro.conf.arg(name="")
CONSTANT = "constant"
"""The schedule that a plain number stands for."""


def read(host: Host, options: type, argv: Sequence[str], prog: str = "heatbath") -> Any:
    """Parse `argv` into `options`, each pick with the options of the component that it names.

    Raises:
        ConfigError: in one line, for an unknown option or name, a wrong type, a value out of range.
    """
    reader = _Reader(host, argv)
    typed = reader.typed(options, "", {})
    with _generator_kept():
        return _plain(reader.parse(type(typed), typed, prog))


def read_run(host: Host, experiment: str, argv: Sequence[str], prog: str | None = None) -> tuple[Any, Plan, Place]:
    """Parse `argv` into an experiment's options, the plan and the place of a run. Raises as `read` does.

    `--preset NAME` in `argv` stands for the options of that preset, over which the other arguments win.
    """
    options = host.options_type("experiments", experiment)
    assert options is not None  # the host refuses experiments without options
    argv, chosen = take(argv, "--preset")
    if chosen is not None:
        argv = merge(to_argv(preset(options, chosen).options), argv)
    if shared := RESERVED & {entry.name for entry in fields(options)}:
        raise ConfigError(f"{experiment}: the option {sorted(shared)[0]!r} belongs to every run; rename it")
    reader = _Reader(host, argv)
    plan = reader.typed(Plan, "", vars(getattr(options, "plan", Plan())))
    typed, place = reader.typed(options, "", {}), reader.typed(Place, "", {})
    both = make_dataclass(
        "Run",
        [(n, Annotated[type(v), FLAT]) for n, v in (("config", typed), ("plan", plan), ("place", place))],
        namespace={"__doc__": host.record("experiments", experiment).component.summary},
        frozen=True,
    )
    with _generator_kept():
        parsed = reader.parse(both, both(typed, plan, place), prog or f"heatbath run {experiment}")
    return _plain(parsed.config), _plain(parsed.plan), _plain(parsed.place)


@contextmanager
def _generator_kept() -> Iterator[None]:
    """Under pytest, tyro draws from Python's global generator to decide when to check its cache."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def resolve(host: Host, choice: Pick) -> Pick:
    """A pick whose overrides have become the options of its component. Raises as `read` does."""
    holder = make_dataclass("Holder", [("it", Pick, field(default=choice))], frozen=True)
    picked = read(host, holder, []).it
    assert isinstance(picked, Pick)
    return picked


def to_table(value: Any) -> Any:
    """Plain JSON-able data; a pick is its options, with its name as `use` and a loss's schedule as `weight`.

    >>> to_table(Pick("schedules", "constant"))
    {'use': 'constant'}
    """
    if isinstance(value, Pick):
        weight = {"weight": to_table(value.weight)} if value.weight else {}
        options = to_table(value.options) if is_dataclass(value.options) else dict(value.options or {})
        return {"use": value.name, **options, **weight}
    if isinstance(value, Slots):
        return {name: to_table(item) for name, item in value.picks.items()}
    if is_dataclass(value):
        return {entry.name: to_table(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, list | tuple):
        return [to_table(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def to_argv(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The arguments that say what a table says; `use` names the component that its table is about.

    A value that looks like an option is tied to its own with `=`, so that it stays a value.

    Raises:
        ConfigError: for `help`, which is no option, and for an entry of a list that looks like an option.

    >>> to_argv({"alpha": {"use": "acme/cosine", "start": 0.3}, "hidden": 50})
    ['--alpha', 'acme/cosine', '--alpha.start', '0.3', '--hidden', '50']
    """
    argv: list[str] = []
    for key, value in table.items():
        option = f"--{prefix[:-1]}" if key == "use" and prefix else f"--{prefix}{key}"
        if option == "--help":
            raise ConfigError("unknown option --help; it is for the command line alone")
        if isinstance(value, Mapping):
            argv += to_argv(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            words = [str(item) for item in value]
            if odd := [word for word in words if word.startswith("-") and not _is_number(word)]:
                raise ConfigError(f"{option}: an entry of a list cannot begin with '-', got {odd[0]!r}")
            argv += [option, *words]
        else:
            argv += [f"{option}={value}"] if str(value).startswith("-") else [option, str(value)]
    return argv


def merge(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Two lots of arguments, of which the later win; the options of a component that is replaced go with it.

    The weight of a loss is not the component's own, and stays.

    >>> merge(["--losses.l2", "gtf.l2", "--losses.l2.weight", "0.1", "--seed", "1"], ["--seed", "2"])
    ['--losses.l2', 'gtf.l2', '--losses.l2.weight', '0.1', '--seed', '2']
    """
    old, new = _words(before), _words(after)
    replaced = {path: word for path, word in new.items() if old.get(path, word) != word}
    kept: list[str] = []
    keep = True
    for word in before:
        if word.startswith("--"):
            path = _path(word)
            keep = path not in new and not any(_goes_with(path, *item) for item in replaced.items())
        kept += [word] if keep else []
    return [*kept, *after]


def _goes_with(path: str, choice: str, name: str) -> bool:
    """Whether an option belongs to the component that `name` replaces at the path `choice`."""
    weighs = f"{path}.".startswith(f"{choice}.weight.") and name != NONE
    return path.startswith(f"{choice}.") and not weighs


def take(argv: Sequence[str], option: str) -> tuple[list[str], str | None]:
    """Arguments without an option, and its value, the last time that it was given.

    Raises:
        ConfigError: when the value is missing.

    >>> take(["--seed", "1", "--preset=small"], "--preset")
    (['--seed', '1'], 'small')
    """
    kept, value, words = [], None, list(argv)
    while words:
        word = words.pop(0)
        name, equals, inline = word.partition("=")
        if name != option:
            kept.append(word)
        elif equals or words:
            value = inline if equals else words.pop(0)
        else:
            raise ConfigError(f"{option} needs a value")
    return kept, value


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _path(word: str) -> str:
    return word[2:].partition("=")[0].replace("_", "-")


def _groups(argv: Sequence[str]) -> list[list[str]]:
    """Each option with the words that follow it; words before the first option are a group of their own."""
    groups: list[list[str]] = []
    for word in argv:
        if word.startswith("--") or not groups:
            groups.append([word])
        else:
            groups[-1].append(word)
    return groups


def _words(argv: Sequence[str]) -> dict[str, str]:
    """The word after each option, the last time that it was given; read before the options' types are known."""
    words: dict[str, str] = {}
    for here, after in pairwise([*argv, ""]):
        if here.startswith("--"):
            _, equals, value = here.partition("=")
            words[_path(here)] = value if equals else after
    return words


@dataclass(frozen=True)
class _Origin:
    """What a made dataclass stands for, so that `_plain` can undo it."""

    kind: Literal["options", "pick", "slots"]
    source: Any


class _Reader:
    """Replaces picks by typed groups, following the names in `argv`, and hands the result to tyro."""

    def __init__(self, host: Host, argv: Sequence[str]) -> None:
        self.host = host
        self.argv = list(argv)
        self.words = _words(argv)
        self.known: set[str] = set()
        self.chosen: dict[str, list[str]] = {}

    def typed(self, cls: type, prefix: str, overrides: Mapping[str, Any]) -> Any:
        """An instance of a dataclass like `cls`, picks replaced, that serves tyro as type and as default."""
        if unknown := set(overrides) - {entry.name for entry in fields(cls)}:
            raise ConfigError(f"{cls.__name__} has no option {sorted(unknown)[0]!r}")
        plain = cls(**overrides)
        replaced: dict[str, Any] = {}
        for entry in fields(cls):
            value, path = getattr(plain, entry.name), f"{prefix}{entry.name.replace('_', '-')}"
            if isinstance(value, Pick):
                replaced[entry.name] = self.pick(value, path)
            elif isinstance(value, Slots):
                replaced[entry.name] = self.slots(value, path)
            elif is_dataclass(value) and not isinstance(value, type):
                replaced[entry.name] = self.typed(type(value), f"{path}.", vars(value))
            else:
                self.known.add(path)
        kept = {entry.name: getattr(plain, entry.name) for entry in fields(cls) if entry.name not in replaced}
        made = _make(cls.__name__, replaced, _Origin("options", cls), cls)
        return made(**kept)

    def slots(self, value: Slots, path: str) -> Any:
        new = re.compile(re.escape(path) + r"\.([a-z][a-z0-9-]*)")
        named = {m[1].replace("-", "_"): word for key, word in self.words.items() if (m := new.fullmatch(key))}
        added = {name: SLOTS[value.kind](named[name]) for name in sorted(set(named) - set(value.picks))}
        picks = {**value.picks, **added}
        groups = {n: self.pick(p, f"{path}.{n.replace('_', '-')}", NONE) for n, p in picks.items()}
        return _make("Slots", groups, _Origin("slots", value))()

    def pick(self, value: Pick, path: str, *also: str) -> Any:
        """A dataclass of a name and the options of the component that carries it."""
        self.known.add(path)
        name, overrides = self._named(value, path)
        allowed = (*self.host.names(value.kind, value.problem), *also)
        if name not in allowed:
            self.host.record(value.kind, name)
            raise ConfigError(f"--{path}: {name!r} does not serve {value.problem!r}; these do: {', '.join(allowed)}")
        short = "".join(f"; {word} is short for {full}" for word, full in sorted(value.aliases.items()))
        told = f"`heatbath list {value.kind}` says what each is{short}"
        about = tyro.conf.arg(name=path, prefix_name=False, help=told)
        members: list[tuple[str, Any, Any]] = [("name", Annotated[Literal[allowed], about], field(default=name))]
        options = self.host.options_type(value.kind, name) if name != NONE else None
        if options:
            typed = self.typed(options, f"{path}.", overrides)
            members.append(("options", Annotated[type(typed), FLAT], field(default=typed)))
        if value.weight and name != NONE:
            weight = self.pick(value.weight, f"{path}.weight")
            members.append(("weight", type(weight), field(default=weight)))
        made = make_dataclass("Pick", members, frozen=True, namespace={"origin": _Origin("pick", value), "__doc__": ""})
        return made()

    def _named(self, value: Pick, path: str) -> tuple[str, Mapping[str, Any]]:
        """The name that is wanted for a slot, and what the experiment sets of its options."""
        word = self.words.get(path, value.name)
        if not word or word.startswith("--"):
            names = ", ".join(self.host.names(value.kind, value.problem))
            raise ConfigError(f"--{path} needs a name, one of the {value.kind}: {names}")
        word = value.aliases.get(word, word)
        self.chosen[path] = [word]
        if value.kind == "schedules" and _is_number(word):
            self.chosen[path] = [CONSTANT, f"--{path}.level", word]
            return CONSTANT, {"level": float(word)}
        options = vars(value.options) if is_dataclass(value.options) else dict(value.options or {})
        return word, options if word == value.name else {}

    def parse(self, cls: type, default: Any, prog: str) -> Any:
        """Let tyro fill `cls`, and make one line of what it complains about."""
        self._refuse_unknown(prog)
        helps = not {"-h", "--help"}.isdisjoint(self.argv)
        complaint = Page()
        try:
            with redirect_stderr(complaint), nullcontext() if helps else redirect_stdout(Page()):
                return tyro.cli(cls, default=default, args=self._arguments(), prog=prog, config=CONFIG)
        except SystemExit as stop:
            if not stop.code:
                raise
            raise ConfigError(_one_line(complaint.getvalue())) from None
        except ValueError as error:  # from the experiment's own `__post_init__`, which tyro lets pass
            raise ConfigError(str(error)) from error
        except (TypeError, ArithmeticError, LookupError) as error:  # from anybody's
            raise ConfigError(f"{type(error).__name__}: {error}") from error

    def _refuse_unknown(self, prog: str) -> None:
        for path in self.words:
            if path in self.known or (path == "help" and "--help" in self.argv):
                continue
            near = difflib.get_close_matches(path, sorted(self.known), 1)
            hint = f"did you mean --{near[0]}?" if near else f"`{prog} --help` lists them"
            choice, _, option = path.rpartition(".")
            if choice in self.chosen:
                own = sorted(k.removeprefix(f"{choice}.") for k in self.known if k.startswith(f"{choice}."))
                name, has = self.chosen[choice][0], f"it has {', '.join(own)}" if own else "it has none"
                raise ConfigError(f"--{choice}: {name!r} has no option {option!r}; {has}")
            raise ConfigError(f"unknown option --{path}; {hint}")

    def _arguments(self) -> list[str]:
        """The arguments with each choice of a component as the last one that was made, a number written out.

        `--alpha 0.2` is `--alpha constant --alpha.level 0.2`.
        """
        argv: list[str] = []
        for option, *values in _groups(self.argv):
            path = _path(option)
            if not option.startswith("--") or path not in self.chosen:
                argv += [option, *values]
                continue
            if strange := values if "=" in option else values[1:]:
                raise ConfigError(f"--{path} takes one name, got also {strange[0]!r}")
            argv += [f"--{path}", *self.chosen[path]]
        return argv


CONFIG = (tyro.conf.FlagConversionOff,)


def _make(name: str, members: Mapping[str, Any], origin: _Origin, *bases: type) -> type:
    entries: Iterable[tuple[str, Any, Field[Any]]] = [(n, type(v), field(default=v)) for n, v in members.items()]
    doc = bases[0].__doc__ if bases else ""
    return make_dataclass(name, entries, bases=bases, frozen=True, namespace={"origin": origin, "__doc__": doc})


def _plain(value: Any, path: str = "") -> Any:
    """Undo the reader: the dataclasses that were asked for, with resolved picks.

    Raises:
        ConfigError: for a value that is not a number, which every comparison would let pass.
    """
    origin = getattr(type(value), "origin", None)
    if not isinstance(origin, _Origin):
        if any(item != item for item in (value if isinstance(value, tuple) else (value,))):
            raise ConfigError(f"--{path.removesuffix('.')}: expected a number, got {value}")
        return value
    if origin.kind == "pick":
        options, weight = _plain(getattr(value, "options", None), path), getattr(value, "weight", None)
        weight = _plain(weight, f"{path}weight.")
        return Pick(origin.source.kind, value.name, options, origin.source.problem, weight, origin.source.aliases)
    parts = {
        entry.name: _plain(getattr(value, entry.name), f"{path}{entry.name.replace('_', '-')}.")
        for entry in fields(value)
    }
    if origin.kind == "slots":
        return Slots(origin.source.kind, parts)
    return origin.source(**parts)


def _one_line(box: str) -> str:
    """The first paragraph of tyro's boxed message; for a value of the wrong type, with the type that was expected."""
    lines = [
        re.sub(r"\x1b\[[0-9;]*m", "", line).strip("│ ") for line in box.splitlines() if line.startswith(("│", "\x1b"))
    ]
    stop = next((i for i, line in enumerate(lines) if set(line) == {"─"}), len(lines))
    message = " ".join(" ".join(lines[:stop]).split())
    if found := re.match(r"Error parsing (--\S+): .*?(\[.*?\](?=\.|$)|['\"].*['\"]$)", message):
        usage = next((line for line in lines[stop:] if line.startswith(f"{found[1]} ")), "")
        if expected := usage.removeprefix(found[1]).strip():
            return f"{found[1]}: expected {expected}, got {found[2]}"
    if found := re.fullmatch(r"invalid choice (.*) for argument '(--\S+)'\. Expected one of \((.*)\)\.?", message):
        choices = " or ".join(re.findall(r"'([^']*)'", found[3]))
        return f"{found[2]}: expected {choices}, got {found[1]}"
    if found := re.match(r"Missing value for argument '(--\S+)'", message):
        return f"{found[1]} needs a value"
    if found := re.match(r"Unrecognized options: (\S+)", message):
        return f"unexpected {found[1]!r}; options are written --name value"
    if found := re.match(r"Error parsing -*([\w.-]+): ", message):
        path = re.sub(r"^(config|plan|place)\b\.?|\.?options$", "", found[1])
        message = (f"--{path}: " if path else "") + message[found.end() :]
    return message.rstrip(".") or "the arguments could not be read"
