"""The experiments: they conform, their numbers are those of the solvers, table 1 comes out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from heatbath import run
from heatbath.core.host import Host
from heatbath.core.reproduce import reproduce
from heatbath.solvers.coupling import ebim_refined, entropy, mecb
from heatbath.testing import check_experiment, check_plugin, invoke

P, Q = (0.7, 0.2, 0.1), (0.5, 0.3, 0.2)


def test_the_plugin_is_light(host: Host):
    check_plugin(host, "mecb")


@pytest.mark.parametrize("options", [{}, {"masses": (0.5, 0.3, 0.2), "output": (0.6, 0.4)}, {"source": "geometric"}])
def test_the_bottleneck_conforms(host: Host, tmp_path: Path, options: dict[str, object]):
    check_experiment(host, "mecb.bottleneck", tmp_path, **options)


def test_the_couplings_conform(host: Host, tmp_path: Path):
    check_experiment(host, "mecb.couplings", tmp_path, chunks=2, support=6)


def test_a_step_is_a_rate(host: Host, tmp_path: Path):
    made = run("mecb.bottleneck", host=host, steps=10, runs=str(tmp_path))
    for row in made.history():
        rate = entropy(P) * row["step"] / 10
        assert row["rate"] == pytest.approx(rate)
        assert row["mutual_information"] == pytest.approx(mecb(P, Q, rate).mutual_information)
        assert row["information_refined"] == pytest.approx(ebim_refined(P, rate, "all").information)
    assert made.metrics["information"] <= made.metrics["information_refined"] <= 1.0
    assert made.metrics["gap"] <= made.result["references"]["bound"]["gap"]


def test_the_figures_are_drawn(host: Host, tmp_path: Path):
    pytest.importorskip("matplotlib")
    made = run("mecb.bottleneck", host=host, steps=5, source="uniform", runs=str(tmp_path))
    assert set(made.figures) == {"information", "couplings"}
    made = run("mecb.couplings", host=host, steps=20, runs=str(tmp_path))
    assert set(made.figures) == {"joint_entropy"}


def test_couplers_and_encoders_are_chosen_by_name(host: Host, tmp_path: Path):
    line = "run mecb.bottleneck --name swapped --steps 4 --encoder adaptive-quantiser --coupler independent"
    answer = invoke(f"{line} --refined.candidates greedy", host, cwd=tmp_path)
    assert answer.exit_code == 0, answer.stderr
    result = json.loads((tmp_path / "runs/mecb.bottleneck/swapped/result.json").read_text())
    assert {"solvers:adaptive-quantiser", "solvers:independent"} <= set(result["components"])
    assert result["metrics"]["mutual_information"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--masses 0.5 0.4", "`masses` must be of at least 0 and sum to 1, got (0.5, 0.4)"),
        ("--output -0.5 1.5", "`output` must be of at least 0"),
        ("--source nowhere", "--source"),
        ("--coupler ebim", "'ebim' does not serve 'coupling'; these do: exact-mec, greedy-mec, independent"),
        ("--coupler exact-mec --coupler.max-symbols 1", "`max_symbols` must be at least 2, got 1"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(host: Host, tmp_path: Path, words: str, message: str):
    answer = invoke(f"run mecb.bottleneck {words}", host, cwd=tmp_path)
    assert answer.exit_code == 2
    assert message in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_too_small_a_support_is_refused(host: Host, tmp_path: Path):
    answer = invoke("run mecb.couplings --support 0", host, cwd=tmp_path)
    assert (answer.exit_code, answer.stderr.count("\n")) == (2, 1)
    assert "`support` must be at least 1, got 0" in answer.stderr


def test_table_1_comes_out(host: Host, tmp_path: Path):
    """Within 0.02 nats at 1000 draws: the standard error is 0.004 at most, so that a false alarm is 1 in 10^6."""
    text = reproduce(host, "mecb.table1", [0], tmp_path)
    made = json.loads((tmp_path / "tables/mecb.table1/table.json").read_text())
    assert [row["name"] for row in made["rows"]] == ["independent", "max-seeking", "zero-seeking"]
    for row in made["rows"]:
        metrics = row["runs"][0]["metrics"]
        assert metrics["joint_entropy"] == pytest.approx(row["published"]["joint_entropy"], abs=0.02), text
        assert metrics["joint_entropy_std"] == pytest.approx(row["published"]["joint_entropy_std"], abs=0.02), text
