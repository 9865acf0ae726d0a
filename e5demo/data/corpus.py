"""What is searched and what is asked: passages by id, queries by id, and which answers which."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xxhash

from e5demo.data.browsing import Scope
from e5demo.errors import EmptySplit

Qrels = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Corpus:
    """Passages in ascending order of id: position order is id order, which breaks ties.

    `articles` is indexed by passage id and has the first pair's `title` (the query), `passage`,
    `date`, `agency`, `url` and `row`. `sources` are all its pairs' `passage_id`, `date` and
    `agency`.
    """

    articles: pd.DataFrame
    sources: pd.DataFrame | None = None

    def allowed(self, scope: Scope) -> np.ndarray | None:
        """A bool for each passage: does one of its pairs pass? None where all do."""
        sources = self.articles.reset_index() if self.sources is None else self.sources
        mask = scope.mask(sources)
        if mask is None:
            return None
        return self.articles.index.isin(sources.loc[mask, "passage_id"])

    @cached_property
    def ids(self) -> np.ndarray:
        return self.articles.index.to_numpy()

    @property
    def passages(self) -> list[str]:
        return self.articles["passage"].tolist()

    @cached_property
    def fields(self) -> dict[str, np.ndarray]:
        """The columns of `articles` as arrays of objects; None where a value is missing."""
        plain = self.articles.astype(object).where(self.articles.notna(), None)
        return {str(name): plain[name].to_numpy() for name in plain}

    @cached_property
    def fingerprint(self) -> str:
        """Ids are content hashes, so the ids are the content."""
        return xxhash.xxh3_64_hexdigest("\n".join(self.articles.index).encode())

    def __len__(self) -> int:
        return len(self.articles)


@dataclass(frozen=True)
class Queries:
    """Distinct queries by id, and the passages of the corpus that answer each."""

    texts: Mapping[str, str]
    qrels: Qrels

    @property
    def fingerprint(self) -> str:
        return xxhash.xxh3_64_hexdigest("\n".join(sorted(self.texts)).encode())


def make_corpus(pairs: pd.DataFrame, parts: pd.Series, which: str) -> Corpus:
    """The passages of one split (`train`, `validation`, `test`), or of `all` the data."""
    chosen = pairs if which == "all" else pairs[(parts == which).to_numpy()]
    firsts = chosen.drop_duplicates("passage_id").set_index("passage_id").sort_index()
    columns = ["row", "query", "passage", "date", "agency", "url"]
    sources = chosen[["passage_id", "date", "agency"]]
    return Corpus(firsts[columns].rename(columns={"query": "title"}), sources)


def make_queries(
    pairs: pd.DataFrame,
    parts: pd.Series,
    corpus: Corpus,
    *,
    split: str = "test",
    limit: int | None = None,
    seed: int = 42,
) -> Queries:
    """The split's queries, all or a sample of `limit` drawn by `seed`.

    A repeated title is one query, answered by each of its passages that the corpus holds.
    Raises EmptySplit.
    """
    asked = pairs[(parts == split).to_numpy()].drop_duplicates("query_id")
    if asked.empty:
        raise EmptySplit(pairs=len(pairs), split=split)
    if limit is not None and limit < len(asked):
        asked = asked.sample(limit, random_state=seed)
    texts = dict(zip(asked["query_id"], asked["query"], strict=True))
    held = pairs["query_id"].isin(texts) & pairs["passage_id"].isin(corpus.articles.index)
    answers = pairs.loc[held, ["query_id", "passage_id"]]
    qrels: Qrels = {query_id: {} for query_id in texts}
    for query_id, passage_id in answers.itertuples(index=False):
        qrels[query_id][passage_id] = 1
    return Queries(texts, qrels)
