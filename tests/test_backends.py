import pytest
from fakes import FakeEngine

from e5demo.backends import Backends
from e5demo.errors import NoWeights
from e5demo.workspace import new_visitor


def test_at_home_everyone_is_one_and_in_public_nobody_sees_another(tmp_path, monkeypatch):
    me, you = new_visitor(), new_visitor()
    backends = Backends(FakeEngine(tmp_path))
    assert backends.of(me) is backends.of(you) is backends.of(None)
    monkeypatch.setenv("E5DEMO_PUBLIC", "1")
    backends = Backends(FakeEngine(tmp_path))
    mine, yours = backends.of(me), backends.of(you)
    assert backends.of(me) is mine
    assert mine.workspace.root != yours.workspace.root
    assert mine.engine is yours.engine
    for visitor in (None, "", "../" + me):
        with pytest.raises(ValueError, match="no visitor id"):
            backends.of(visitor)


def test_warming_up_encodes_the_sample_or_keeps_the_problem(tmp_path):
    backends = Backends(FakeEngine(tmp_path))
    backends._warm_up()
    assert backends.model_ready
    assert (backends.model.name, backends.model_problem) == ("fake", None)
    assert len(backends.engine.fake.calls) > 0

    class NoModel(FakeEngine):
        def encoder(self, max_length):
            raise NoWeights(model="e5", reason="offline")

    backends = Backends(NoModel(tmp_path))
    backends._warm_up()
    assert not backends.model_ready
    assert isinstance(backends.model_problem, NoWeights)
