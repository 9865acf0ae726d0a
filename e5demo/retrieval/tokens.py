"""Fast tokenizers without torch. E5's takes 270 MB: one serves all models and lengths."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xxhash

from e5demo.retrieval.sharing import shared
from e5demo.workspace import write_text


def write_tokenizer(text: str, path: Path) -> None:
    """`text` is one of the tokenizers library as it writes itself. What it cut at and filled up to
    last is left out, so that a tuned model's is its base's."""
    write_text(path, json.dumps(json.loads(text) | {"truncation": None, "padding": None}))


class Vocabulary:
    """A tokenizer that cuts nothing. Raises ValueError for what is none."""

    def __init__(self, text: str) -> None:
        from tokenizers import Tokenizer

        try:
            self.fast = Tokenizer.from_str(text)
        except Exception as error:  # the library's errors have no class of their own
            raise ValueError(f"no tokenizer: {error}") from error


class CutTokenizer:
    """Cuts texts at `length` tokens, those that are added to each included."""

    def __init__(self, path: Path, length: int) -> None:
        data = path.read_bytes()
        key = "tokenizer", xxhash.xxh3_128_digest(data)
        self._vocabulary = shared(key, lambda: Vocabulary(data.decode("utf-8")))
        self._room = length - self._vocabulary.fast.num_special_tokens_to_add(False)

    def encode(self, text: str) -> Any:
        """With `ids` and `offsets`, as the tokenizers library has them."""
        return self._cut(self._vocabulary.fast.encode(text, add_special_tokens=False))

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        found = self._vocabulary.fast.encode_batch_fast(list(texts), add_special_tokens=False)
        return [self._cut(one).ids for one in found]

    def _cut(self, found: Any) -> Any:
        found.truncate(self._room)
        return self._vocabulary.fast.post_process(found)
