"""Faulty components are registered one at a time, under one name."""

import pytest

from heatbath import Component, hookimpl
from heatbath.core.errors import ConformanceError

NAME = "toy/it"


@pytest.fixture
def registered(host):
    """Registers a class as `toy/it`: `registered("losses", Faulty)` is a host that offers it."""

    def register(kind, attribute, config=None, problem=None):
        class Plugin:
            pass

        def offer(register):
            target, options = (f"{c.__module__}:{c.__name__}" if c else None for c in (attribute, config))
            register(Component(NAME, "faulty", target, options, problem))

        plugin, offer.__name__ = Plugin(), f"register_{kind}"
        setattr(plugin, offer.__name__, hookimpl(offer))
        host.add(plugin, "toy")
        return host

    return register


@pytest.fixture
def refuses():
    """Runs a check that must fail, and matches what it says."""

    def run(message, check, *args, **options):
        with pytest.raises(ConformanceError) as caught:
            check(*args, **options)
        said = str(caught.value)
        assert said.startswith(NAME) or NAME not in said
        assert message in said

    return run
