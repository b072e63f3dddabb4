"""What is built, what is installed, and what works where no extra is."""

import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import heatbath
from heatbath.core import discovery
from heatbath.core.hookspecs import KINDS

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = PYPROJECT["project"]["version"]
BINARIES = (".so", ".pyd")


def sources():
    """The Python files of the package, and the models of its simulators, as they are called in a wheel."""
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("assets/*.xml")]
    return {path.relative_to(ROOT / "src").as_posix() for path in files}


def build(what, source, into):
    """Build with the setuptools of this environment, and give the file."""
    into.mkdir()
    code = f"from setuptools import build_meta; print(build_meta.build_{what}({str(into)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return into / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The source distribution, built in a copy of the repository that no build has touched."""
    pytest.importorskip("setuptools", minversion="77")
    place = tmp_path_factory.mktemp("build")
    odd = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "runs", "site", "__pycache__", "*.so", "venv")
    shutil.copytree(ROOT, place / "copy", ignore=odd)
    return build("sdist", place / "copy", place / "sdist")


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel, built from the source distribution, as an installer without a wheel at hand does it."""
    place = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    return build("wheel", place / f"heatbath-{VERSION}", place / "wheel")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder into which the wheel was unpacked, which is what installing it does."""
    place = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


@pytest.mark.slow
def test_the_sdist_holds_all_that_is_needed_to_build_and_nothing_that_is_not_ours(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", "src/heatbath/py.typed"} <= names
    assert {f"src/{name}" for name in sources()} <= names
    kernels = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("*.[ch]")}
    assert kernels <= names
    assert not {name for name in names if name.endswith((*BINARIES, ".pyc")) or "/." in name or name.startswith("runs")}


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"heatbath-{VERSION}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"heatbath", info}
    package = {name for name in names if name.startswith("heatbath/")}
    assert {name for name in package if not name.endswith(BINARIES)} == sources() | {"heatbath/py.typed"}
    assert all("_kernel" in name for name in package if name.endswith(BINARIES))
    described = {name.removeprefix(f"{info}/") for name in names - package}
    assert described == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}


@pytest.mark.slow
def test_the_wheel_says_what_pyproject_says(installed):
    info = installed / f"heatbath-{VERSION}.dist-info"
    head = HeaderParser().parsestr((info / "METADATA").read_text(encoding="utf-8"))
    assert (head["Name"], head["Version"], head["License-Expression"]) == ("heatbath", VERSION, "Apache-2.0")
    assert head["Requires-Python"] == PYPROJECT["project"]["requires-python"]
    assert set(head.get_all("Provides-Extra")) == set(PYPROJECT["project"]["optional-dependencies"])
    points = (info / "entry_points.txt").read_text(encoding="utf-8")
    for group in PYPROJECT["project"]["entry-points"].values():
        for name, target in group.items():
            assert f"{name} = {target}\n" in points
    assert "heatbath = heatbath.core.cli:entry\n" in points


@pytest.mark.slow
def test_the_installed_wheel_works_in_an_empty_folder(installed, python):
    code = (
        "import heatbath, json\n"
        "from importlib.util import find_spec\n"
        "host = heatbath.Host(strict=True).load()\n"
        "[host.options_type(k, n) for k in ('losses', 'schedules', 'experiments') for n in host.names(k)]\n"
        "rooms = [name for name in ('core', 'plugins', 'envs', 'solvers', 'tests') if find_spec(name)]\n"
        "names = [row.name for row in host.plugins if row.distribution == 'heatbath']\n"
        "print(json.dumps([heatbath.__file__, heatbath.__version__, names, rooms]))"
    )
    done = python(code, installed)
    assert done.returncode == 0, done.stderr
    file, version, names, rooms = json.loads(done.stdout)
    assert Path(file).is_relative_to(installed)
    assert version == VERSION
    assert names == sorted(PYPROJECT["project"]["entry-points"][discovery.GROUP])
    assert rooms == []


# What is installed here


@pytest.mark.parametrize("name", ["core", "plugins", "envs", "solvers"])
def test_the_rooms_are_no_packages_of_their_own(python, name):
    done = python(f"from importlib.util import find_spec; print(find_spec({name!r}))")
    assert done.stdout == "None\n"
    assert importlib.util.find_spec(f"heatbath.{name}") is not None


def test_the_public_names_are_there_and_no_others():
    assert dir(heatbath) == sorted(heatbath.__all__)
    for name in heatbath.__all__:
        assert getattr(heatbath, name) is not None
    with pytest.raises(AttributeError, match="module 'heatbath' has no attribute 'oracle'"):
        heatbath.oracle  # noqa: B018


def test_components_are_listed_by_the_python_interface(host):
    found = heatbath.components("schedules", host)
    assert found == {"schedules": host.names("schedules")}
    assert {"constant", "exponential", "linear"} <= set(found["schedules"])
    assert list(heatbath.components(host=host)) == list(KINDS)
    with pytest.raises(
        heatbath.HeatbathError, match="there is no kind 'schedule' of component; did you mean 'schedules'"
    ):
        heatbath.components("schedule", host)


def test_every_plugin_of_pyproject_is_installed():
    found = {offer.name for offer in discovery.installed() if offer.first_party}
    assert found == set(PYPROJECT["project"]["entry-points"][discovery.GROUP])


def test_every_module_of_the_package_belongs_to_a_room():
    tops = {path.name for path in (ROOT / "src/heatbath").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert tops == {"core", "solvers", "envs", "plugins"}


# Where no extra is installed

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r} or name.startswith("torch.utils.tensorboard"):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from heatbath.core.cli import main
sys.exit(main({argv!r}))
"""
EXTRAS = ("matplotlib", "tensorboard", "scipy", "gymnasium", "mujoco", "sklearn", "torchdiffeq", "gpytorch")


@pytest.fixture
def minimal(python):
    """A function that carries out a command line in a process in which no optional dependency can be imported."""

    def run(line, *folders, **environment):
        return python(WITHOUT.format(absent=EXTRAS, argv=line.split()), *folders, **environment)

    return run


def test_without_extras_all_plugins_load_and_are_listed(minimal):
    done = minimal("plugins", HEATBATH_STRICT="1")
    assert (done.returncode, done.stderr) == (0, "")
    for name in PYPROJECT["project"]["entry-points"][discovery.GROUP]:
        assert f"\n{name} " in done.stdout
    assert "failed" not in done.stdout


def test_without_extras_every_experiment_can_be_described(minimal):
    for name in heatbath.components("experiments")["experiments"]:
        assert minimal(f"describe {name}").returncode == 0


def test_without_an_extra_what_needs_it_says_what_to_install(minimal, install):
    plugin = (
        "from heatbath import Component, hookimpl\n"
        "@hookimpl\n"
        "def register_experiments(register):\n"
        "    register(Component('deep/trial', '', 'deep_trial:Trial', 'deep_options:Options', extra='deep'))\n"
    )
    options = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Options:\n    size: int = 1\n"
    folder = install(
        "deep-parts", {"deep": "deep_parts"}, deep_parts=plugin, deep_options=options, deep_trial="import scipy.signal"
    )
    done = minimal("run deep/trial", folder)
    assert done.returncode == 2
    assert done.stderr == "heatbath: 'deep/trial' needs: pip install 'deep-parts[deep]' (missing: scipy)\n"


@pytest.mark.slow
def test_without_an_extra_tensorboard_says_what_to_install_and_the_run_goes_on(minimal, install):
    plugin = (
        "from dataclasses import dataclass\n"
        "from heatbath import Component, hookimpl\n"
        "@dataclass(frozen=True)\n"
        "class Options:\n"
        "    size: int = 1\n"
        "class Walk:\n"
        "    def __init__(self, options, setup): ...\n"
        "    def step(self, clock): return {'loss': 1.0}\n"
        "    def evaluate(self, clock, generator): return {'mse': 1.0}\n"
        "    def barrier(self): ...\n"
        "    def figures(self): import matplotlib.figure\n"
        "    def state_dict(self): return {}\n"
        "    def load_state_dict(self, state): ...\n"
        "@hookimpl\n"
        "def register_experiments(register):\n"
        "    register(Component('bare/walk', '', 'bare_parts:Walk', 'bare_parts:Options'))\n"
    )
    folder = install("bare-parts", {"bare": "bare_parts"}, bare_parts=plugin)
    done = minimal("run bare/walk --steps 1 --tensorboard True", folder)
    assert done.returncode == 0, done.stderr
    assert "--tensorboard True needs: pip install 'heatbath[tensorboard]'" in done.stderr
    assert "no figures: they need pip install 'heatbath[plot]' (missing: matplotlib" in done.stderr
    assert done.stdout.startswith("bare/walk: finished at step 1")
