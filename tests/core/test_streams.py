"""Streams depend on (seed, name) alone; the global generators are lent to a run and given back."""

import random

import numpy as np
import pytest
import torch

from heatbath.core.streams import GLOBAL, Streams, global_state, set_global_state
from heatbath.core.testing.expect import same
from heatbath.testing import build

CPU = torch.device("cpu")


def draw_globally():
    """One number from each of the global generators."""
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002


def draw(generator):
    return torch.rand(4, generator=generator).tolist()


@pytest.fixture(autouse=True)
def _as_before():
    before = global_state(CPU)
    yield
    set_global_state(before, CPU)


def test_a_stream_depends_on_its_seed_and_name_alone():
    one, two = Streams(3), Streams(3)
    two("another")
    draw(two("a third"))
    assert draw(one("losses.fit")) == draw(two("losses.fit"))


@pytest.mark.parametrize(("seed", "name"), [(4, "losses.fit"), (3, "losses.fit2"), (3, "losses")])
def test_another_seed_or_name_is_another_stream(seed, name):
    assert draw(Streams(3)("losses.fit")) != draw(Streams(seed)(name))


def test_seeds_of_streams_do_not_collide_and_fit_a_signed_word():
    streams = [Streams(seed) for seed in range(50)]
    seeds = {s.seed_of(name) for s in streams for name in ("", "a", "b", "1/a", "0/a", *map(str, range(50)))}
    assert len(seeds) == 50 * 55
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_stream_goes_on_where_it_was_and_a_fresh_one_does_not():
    streams = Streams(0)
    first, second = draw(streams("a")), draw(streams("a"))
    assert first != second
    assert draw(streams.fresh("a")) == first
    assert draw(streams.fresh("a")) == first
    assert streams("a") is streams("a")


def test_a_scope_is_a_stream_of_its_own_and_leaves_the_globals_as_they_were():
    streams, before = Streams(0), global_state(CPU)
    with streams.scoped("a"):
        first = draw_globally()
    assert same(global_state(CPU), before)
    draw_globally()
    with streams.scoped("a"):
        assert draw_globally() == first
    with streams.scoped("b"):
        assert draw_globally() != first


def test_a_scope_gives_the_globals_back_after_an_error():
    before = global_state(CPU)
    with pytest.raises(ZeroDivisionError), Streams(0).scoped("a"):
        raise ZeroDivisionError(draw_globally())
    assert same(global_state(CPU), before)


def test_the_global_generators_are_owned_and_given_back():
    before = global_state(CPU)
    streams, other = Streams(0), Streams(0)
    with streams.owning_globals():
        drawn = [draw_globally(), draw_globally()]
    assert same(global_state(CPU), before)
    draw_globally()  # what the caller does in between is nothing to a run
    with other.owning_globals():
        assert draw_globally() == drawn[0]
    draw_globally()
    with other.owning_globals():
        assert draw_globally() == drawn[1]


def test_the_globals_are_given_back_after_an_error():
    before = global_state(CPU)
    with pytest.raises(ZeroDivisionError), Streams(0).owning_globals():
        raise ZeroDivisionError(draw_globally())
    assert same(global_state(CPU), before)


def test_the_globals_of_two_seeds_differ():
    with Streams(0).owning_globals():
        one = draw_globally()
    with Streams(1).owning_globals():
        two = draw_globally()
    assert all(a != b for a, b in zip(one, two, strict=True))


def test_a_gaussian_kept_back_by_numpy_or_python_survives():
    """Both make normal numbers in pairs and keep the second."""
    np.random.randn()  # noqa: NPY002
    random.gauss(0, 1)
    state = global_state(CPU)
    expected = (np.random.randn(), random.gauss(0, 1))  # noqa: NPY002
    set_global_state(state, CPU)
    assert (np.random.randn(), random.gauss(0, 1)) == expected  # noqa: NPY002


def test_all_streams_go_on_from_a_saved_state():
    streams = Streams(0)
    with streams.owning_globals():
        draw(streams("a")), draw_globally()
        state = streams.state_dict()
        expected = draw(streams("a")), draw(streams("b")), draw_globally()
    again = Streams(0)
    assert again.load_state_dict(state, 7)
    with again.owning_globals():
        assert (draw(again("a")), draw(again("b")), draw_globally()) == expected


def test_a_saved_state_is_plain(tmp_path):
    streams = Streams(0)
    streams("a")
    torch.save(streams.state_dict(), tmp_path / "state.pt")
    assert same(torch.load(tmp_path / "state.pt", weights_only=True), streams.state_dict())


def test_on_another_kind_of_device_all_streams_start_anew_from_the_step():
    saved = Streams(0)
    draw(saved("a"))
    with saved.owning_globals():
        state = {**saved.state_dict(), "device": "cuda"}
        left_off = draw_globally()

    def resumed(step):
        streams = Streams(0)
        assert not streams.load_state_dict(state, step)
        with streams.owning_globals():
            return draw(streams("a")), draw_globally()

    def started():
        streams = Streams(0)
        with streams.owning_globals():
            return draw(streams("a")), draw_globally()

    at_7 = resumed(7)
    assert at_7 == resumed(7)
    others = [resumed(8), started(), (draw(saved("a")), left_off)]
    assert all(at_7[0] != stream and at_7[1] != globals_ for stream, globals_ in others)


def test_the_global_stream_is_not_one_that_a_component_can_have():
    with Streams(0).owning_globals():
        owned = torch.rand(4).tolist()
    assert draw(Streams(0).fresh(GLOBAL)) == owned  # the name is taken
    assert "." not in GLOBAL  # every component's path is `task` or begins with `task.`


# What it is for: the training of a run does not depend on what else is in it


def weights(run):
    return run.state_dict()["components"]["task.model"]


def test_a_loss_of_weight_0_does_not_change_training(whole):
    plain = whole("plain")
    watched = whole("watched", losses={"extra": {"use": "toy/jitter", "weight": 0.0}})
    assert "loss/extra/largest" in watched.history()[0]
    assert same(weights(watched), weights(plain))
    weighed = whole("weighed", losses={"extra": {"use": "toy/jitter", "weight": 0.1}})
    assert not same(weights(weighed), weights(plain))


def test_a_metric_does_not_change_training_nor_the_others(whole):
    plain = whole("plain")
    watched = whole("watched", metrics={"a": "toy/draw", "zzz": "toy/draw"}, evaluate_every=1)
    assert same(weights(watched), weights(plain))
    assert watched.metrics["error"] == plain.metrics["error"]
    assert watched.metrics["a/number"] != watched.metrics["zzz/number"]
    one = whole("one", metrics={"zzz": "toy/draw"})
    assert one.metrics["zzz/number"] == watched.metrics["zzz/number"]


def test_the_globals_of_the_caller_do_not_change_a_run(whole):
    first = whole("first")
    draw_globally()
    assert same(weights(whole("second")), weights(first))
    assert not same(weights(whole("third", seed=1)), weights(first))


def test_a_run_gives_the_globals_back(whole):
    before = global_state(CPU)
    whole()
    assert same(global_state(CPU), before)


def test_a_component_built_for_a_test_has_the_weights_of_its_seed(lab):
    facts = {"size": 3}
    one, two, other = (build(lab, "models", "toy/affine", facts=facts, seed=seed) for seed in (0, 0, 1))
    assert same(dict(one.state_dict()), dict(two.state_dict()))
    assert not same(dict(one.state_dict()), dict(other.state_dict()))
