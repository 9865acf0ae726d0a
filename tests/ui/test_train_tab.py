import pytest


@pytest.mark.parametrize(
    ("tab", "method", "timed"),
    [("train", "full", "full"), ("train", None, "lora"), ("search", "full", None)],
)
def test_presets_are_timed_on_opening_the_tab_even_before_its_form_is_filled(
    backends, handler, monkeypatch, tab, method, timed
):
    submitted = []
    monkeypatch.setattr(backends.jobs, "submit", lambda *job: submitted.append(job))
    handler("time_presets")("", "fr", tab, method)
    commands = [command for _, _, command in submitted]
    assert [c[-2] for c in commands] == ([f"--method={timed}"] if timed else [])
    assert all(c[0] == "estimate" for c in commands)
