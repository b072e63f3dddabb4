"""Series from files: what is read, and what is said of bad ones before any training."""

import numpy as np
import pytest
import torch

from heatbath.core.errors import ConfigError
from heatbath.plugins.gtf import series as files
from heatbath.testing import check_experiment, invoke

pytestmark = pytest.mark.usefixtures("undrawn")
SMALL = "--steps 4 --window 5 --batch 3 --batches-per-epoch 2 --metrics.lyapunov-max.steps 10"


def wave(points=400, dim=2):
    t = torch.arange(float(points)).unsqueeze(1) / 5 + torch.arange(float(dim))
    return (t.sin() + 0.3 * (2.1 * t).cos()).numpy()


def save(folder, array, name="series.npy"):
    np.save(folder / name, array)
    return name


def refused(host, folder, options):
    done = invoke(f"run gtf.series {SMALL} {options}", host, cwd=folder)
    assert done.exit_code == 2, done.stderr
    assert not list(folder.glob("runs/**/metrics.jsonl"))
    return done.stderr


# Reading


def test_numbers_in_columns_are_read(tmp_path):
    array = wave(7)
    save(tmp_path, array.astype(np.float32))
    (tmp_path / "a.csv").write_text("x,y\n" + "\n".join(f"{x!r},{y!r}" for x, y in array.tolist()) + "\n\n")
    expected = torch.from_numpy(array).double()
    torch.testing.assert_close(files.read(str(tmp_path / "a.csv")), expected)
    torch.testing.assert_close(files.read("series.npy", str(tmp_path)), expected, rtol=1e-6, atol=1e-6)


def test_a_file_is_found_where_the_environment_says(tmp_path, monkeypatch):
    (tmp_path / "ecg").mkdir()
    save(tmp_path / "ecg", np.arange(4))
    monkeypatch.setenv("HEATBATH_DATA", str(tmp_path))
    assert files.read("ecg/series.npy").shape == (4, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,x\n", "line 2, column 2: expected a number, got 'x'"),
        ("1,2\n3\n", "line 2: expected 2 columns as before, got 1"),
        ("", r"expected an array of points x variables, got one of shape \(0,"),
    ],
)
def test_a_broken_table_is_named_by_its_line(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        files.read(str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2, 2)), r"points x variables, got one of shape \(2, 2, 2\)"),
        (np.zeros((0, 3)), r"got one of shape \(0, 3\)"),
        (np.array(["a"]), "expected real numbers, got an array of <U1"),
        (np.zeros(3, dtype=complex), "expected real numbers"),
        (np.array([{}], dtype=object), "cannot be read"),
    ],
)
def test_an_array_that_is_no_series_is_refused(tmp_path, array, message):
    with pytest.raises(ConfigError, match=message):
        files.read(str(tmp_path / save(tmp_path, array)))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.mat").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"expected a `.npy` or `.csv` file"):
        files.read(str(tmp_path / "a.mat"))
    (tmp_path / "b.npy").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        files.read(str(tmp_path / "b.npy"))


def test_an_embedding_needs_as_many_points():
    with pytest.raises(ConfigError, match="3 copies 5 points apart need more than 10 points, got 10"):
        files.embed(torch.zeros(10, 1), 3, 5)


def test_the_laser_comes_with_reservoirpy():
    pytest.importorskip("reservoirpy", reason="needs pip install reservoirpy")
    assert files.read("laser").shape == (10_093, 1)


# Bad input, on the command line


def test_gaps_are_named(host, tmp_path):
    array = wave()
    array[17, 1] = np.nan
    array[30, 0] = np.inf
    said = refused(host, tmp_path, f"--series {save(tmp_path, array)}")
    assert "--series: 2 of 800 values are not finite, the first at point 17, variable 2" in said


def test_a_constant_variable_is_named(host, tmp_path):
    array = wave()
    array[:, 1] = 3.0
    assert "variable 2 is constant" in refused(host, tmp_path, f"--series {save(tmp_path, array)}")


def test_fewer_points_than_a_window_are_too_few(host, tmp_path):
    said = refused(host, tmp_path, f"--series {save(tmp_path, wave(5))} --test {save(tmp_path, wave(50), 't.npy')}")
    assert "--series: 5 points are fewer than the 6 of one window; a shorter --window needs fewer" in said
    said = refused(host, tmp_path, f"--series {save(tmp_path, wave(100))} --split 0.96")
    assert "--series, its test part: 4 points are fewer than the 6 of one window" in said


def test_a_test_series_of_other_dimension_is_refused(host, tmp_path):
    test = save(tmp_path, wave(dim=3), "test.npy")
    said = refused(host, tmp_path, f"--series {save(tmp_path, wave())} --test {test}")
    assert "--test: expected 2 variables as in the training series, got 3" in said


def test_too_few_latent_units_are_refused(host, tmp_path):
    said = refused(host, tmp_path, f"--series {save(tmp_path, wave(dim=3))} --latent 2")
    assert "as many latent units as variables, got 2 for 3" in said


def test_a_missing_file_is_looked_for(host, tmp_path, monkeypatch):
    monkeypatch.setenv("HEATBATH_DATA", "elsewhere")
    said = refused(host, tmp_path, "--series ecg.npy --data here")
    assert "no file ecg.npy, here/ecg.npy, elsewhere/ecg.npy; a `.npy` or `.csv` file with a row a point" in said
    assert "--data DIR or HEATBATH_DATA says where files are" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--inputs in.npy", "--inputs: expected a row for each of the 400 points of --series, got 399"),
        ("--inputs gap.npy", "--inputs: 1 of 400 values are not finite"),
        ("--inputs good.npy --test series.npy", "--inputs and --test-inputs go together"),
        ("--test-inputs good.npy", "--test-inputs goes with --test"),
        ("--split 1.5", "`split` within"),
        ("--embedding 0", "`embedding` must be at least 1"),
    ],
)
def test_inputs_and_parts_must_fit(host, tmp_path, options, message):
    save(tmp_path, wave())
    save(tmp_path, np.zeros(399), "in.npy")
    save(tmp_path, np.zeros(400), "good.npy")
    gap = np.zeros(400)
    gap[3] = np.nan
    save(tmp_path, gap, "gap.npy")
    assert message in refused(host, tmp_path, f"--series series.npy {options}")


def test_a_test_part_too_short_for_a_metric_is_refused_before_the_first_step(host, tmp_path):
    line = f"--series {save(tmp_path, wave())} --split 0.96 --window 5"
    said = refused(host, tmp_path, line)
    assert "--metrics.prediction_error_20 needs a test part of at least 21 points, got 16; give a longer one" in said


# Runs

QUICK = {"lyapunov_max": {"segments": 2, "steps": 10, "transient": 2}, "prediction_error_20": {"steps": 3}}
TINY = {"window": 5, "batch": 3, "batches_per_epoch": 2, "metrics": QUICK}


def test_a_file_is_learned_and_resumed(host, tmp_path):
    run = check_experiment(host, "gtf.series", tmp_path, series=str(tmp_path / save(tmp_path, wave())), **TINY)
    assert len(run.task.data.train) == len(run.task.data.test) == 200
    assert set(run.task.references()) == {"training series"}
    torch.testing.assert_close(run.task.data.train.mean(0), torch.zeros(2), rtol=0, atol=1e-5)


def test_without_a_file_a_system_is_simulated(host, tmp_path):
    check_experiment(host, "gtf.series", tmp_path, points=300, **TINY)


def test_a_driven_series_is_learned_with_its_inputs(host, tmp_path, caplog):
    series = str(tmp_path / save(tmp_path, wave()))
    inputs = str(tmp_path / save(tmp_path, wave()[:, :1] ** 2, "inputs.npy"))
    run = check_experiment(host, "gtf.series", tmp_path, series=series, inputs=inputs, **TINY)
    assert run.task.model.dynamics.C.shape == (2, 1)
    assert "lyapunov_max" not in run.metrics
    assert "they cannot follow external inputs: lyapunov_max, prediction_error_20" in caplog.text
    _, seen = run.task.free_run()
    expected, z = [], run.task.data.test[:1]
    for s in run.task.data.test_inputs[1:]:
        z = run.task.model(z, s.unsqueeze(0))
        expected.append(z[0])
    torch.testing.assert_close(seen, torch.stack(expected).detach(), rtol=1e-3, atol=1e-4)


def test_a_scalar_series_is_embedded(host, tmp_path):
    series = str(tmp_path / save(tmp_path, wave(dim=1)[:, 0]))
    how = {"series": series, "embedding": 3, "delay": 4, "standardise": False, **TINY}
    run = check_experiment(host, "gtf.series", tmp_path, **how)
    train = run.task.data.train
    assert train.shape == (196, 3)
    assert torch.equal(train[4:, 1], train[:-4, 0])


def test_a_run_is_not_resumed_on_another_file(host, tmp_path):
    save(tmp_path, wave())
    line = f"run gtf.series --series series.npy {SMALL} --checkpoint-every 2 --name one"
    assert invoke(line, host, cwd=tmp_path).exit_code == 0
    save(tmp_path, wave() + 0.1)
    done = invoke("resume runs/gtf.series/one --steps 8", host, cwd=tmp_path)
    assert done.exit_code == 2
    assert "the series is not the one that this run was started with" in done.stderr
