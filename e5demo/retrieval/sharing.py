"""What models have in common is in memory once."""

import weakref
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Any, TypeVar

Kept = TypeVar("Kept")
_kept: "weakref.WeakValueDictionary[Hashable, Any]" = weakref.WeakValueDictionary()
_making = RLock()  # what is made may be made of what is shared


def shared(key: Hashable, make: Callable[[], Kept]) -> Kept:
    """What `make` gave to the first who asked, as long as anyone keeps it; safe under threads."""
    with _making:
        found = _kept.get(key)
        if found is None:
            found = _kept[key] = make()
        return found
