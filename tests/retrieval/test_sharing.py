import gc
from concurrent.futures import ThreadPoolExecutor

from e5demo.retrieval.sharing import shared


class Thing:
    pass


def test_what_is_shared_is_made_once_and_goes_with_the_last_who_keeps_it():
    made = []

    def make():
        made.append(0)
        return Thing()

    with ThreadPoolExecutor(8) as threads:
        things = list(threads.map(lambda _: shared("thing", make), range(50)))
    assert (len(made), len({id(thing) for thing in things})) == (1, 1)
    assert shared("another", Thing) is not things[0]
    del things
    gc.collect()
    shared("thing", make)
    assert len(made) == 2


def test_what_is_shared_may_be_made_of_what_is_shared():
    pair = shared("pair", lambda: type("Pair", (), {"one": shared("one", Thing)}))
    assert pair.one is shared("one", Thing)
