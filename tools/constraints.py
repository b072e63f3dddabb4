"""Write constraints.txt: the versions, in this environment, of all that the project, its extras and its groups need.

Run it in an environment where they are installed and the tests pass:

    python -m venv fresh && fresh/bin/pip install -e ".[all]" --group dev --group docs -c constraints.txt -U
    fresh/bin/python tools/constraints.py

Local labels (`+cpu`) are left out, so that the pins fit any build of a version. What is only needed on other systems or
Pythons is not pinned.
"""

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
GROUPS = ("dev", "docs")
HEAD = """\
# What CI runs on, written by tools/constraints.py; the ranges are in pyproject.toml.
"""


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for: the project, its extra `all`, and its groups."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = table["project"], table["dependency-groups"]
    lines = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        lines += [line for line in extra if not line.startswith("heatbath[")]
    todo = list(GROUPS)
    while todo:
        for entry in groups[todo.pop()]:
            if isinstance(entry, str):
                lines.append(entry)
            else:
                todo.append(entry["include-group"])
    return [Requirement(line) for line in lines]


def closure(todo: list[Requirement]) -> dict[str, str]:
    """Name and version of each, and of all that they need here."""
    seen: set[tuple[str, frozenset[str]]] = set()
    pins: dict[str, str] = {}
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{requirement} is not installed here; install the extras and groups first") from None
        pins[name] = found.version.partition("+")[0]
        for line in found.requires or []:
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                todo.append(need)
    return pins


if __name__ == "__main__":
    pins = closure(wanted())
    lines = [f"{name}=={version}\n" for name, version in sorted(pins.items())]
    (ROOT / "constraints.txt").write_text(HEAD + "".join(lines))
