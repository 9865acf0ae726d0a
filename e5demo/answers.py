"""What a person sees of a search: one query, a column of hits for each retriever."""

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from e5demo.data.corpus import Corpus
from e5demo.evaluation.agreement import Agreement, agreements
from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.explain import Heat, term_scores, token_heat
from e5demo.retrieval.fusion import DEPTH as FUSED
from e5demo.retrieval.fusion import FusionRetriever
from e5demo.retrieval.late import RerankRetriever
from e5demo.retrieval.lexical import BM25Retriever
from e5demo.retrieval.search import Ranking, Retriever

IN_TABLE = ("passage_id", "title", "date", "agency", "url")
SHOWN = ("title", "passage", "date", "agency", "url")  # in the order of Hit's fields


@dataclass(frozen=True)
class Hit:
    """One passage found, with the first pair's title and other fields; None where absent.

    `margin` is its score less the next one's, None for the last passage ranked.
    """

    rank: int
    passage_id: str
    score: float
    margin: float | None
    title: str
    passage: str
    date: str | None
    agency: str | None
    url: str | None


@dataclass(frozen=True)
class Column:
    """One retriever's answer to one query: its first k hits, and the ids of those and more."""

    retriever: str
    encode_milliseconds: float
    search_milliseconds: float
    hits: list[Hit]
    ranked: list[str]
    recall_of_flat: float = 1.0  # below 1 where the search is not exact

    @property
    def milliseconds(self) -> float:
        return self.encode_milliseconds + self.search_milliseconds

    def rank_of(self, passage_ids: Collection[str]) -> int | None:
        """The best rank of these, among those ranked."""
        places = (rank for rank, one in enumerate(self.ranked, start=1) if one in passage_ids)
        return next(places, None)


@dataclass(frozen=True)
class Reasons:
    """Why a hit stands where it does, as far as its retriever allows: the query's words that BM25
    found and their scores, what each word adds to the cosine (None where the model cannot be taken
    apart), fusion's ranks in its members, None beyond those that it looks at, and whether its first
    hits were ranked anew."""

    terms: list[tuple[str, float]] | None
    dense: bool
    heat: Heat | None
    ranks: list[int | None] | None
    reranked: bool = False


@dataclass(frozen=True)
class Answer:
    columns: list[Column]
    agreement: list[Agreement]


def ask(
    retriever: Retriever,
    corpus: Corpus,
    name: str,
    query: str,
    k: int,
    depth: int,
    allowed: np.ndarray | None = None,
) -> Column:
    """Search once, `depth` ranks down; `allowed` as `Retriever.search` takes it.

    `corpus` is the asker's own. The retriever may have been built for somebody else's, of the same
    passages but with other titles, agencies and addresses: none of those may show.
    """
    began = time.perf_counter()
    retriever.encode([query])
    encoded = time.perf_counter()
    (ranking,) = retriever.search([query], depth + 1, allowed)  # one more, for the last margin
    found = time.perf_counter()
    return Column(
        name,
        (encoded - began) * 1000,
        (found - encoded) * 1000,
        _hits(corpus, ranking, k),
        corpus.ids[ranking.positions[:depth]].tolist(),
        retriever.recall_of_flat,
    )


def hits_table(
    retriever: Retriever,
    corpus: Corpus,
    name: str,
    queries: Sequence[str],
    k: int,
    allowed: np.ndarray | None = None,
) -> pd.DataFrame:
    """A row a hit: `query`, `retriever`, `rank`, `score`, `passage_id`, and the article's title,
    date, agency and address in the asker's `corpus`; a query without hits has one row, without a
    rank."""
    articles = corpus.articles.reset_index()[[*IN_TABLE]]
    parts = []
    for query, ranking in zip(queries, retriever.search(queries, k, allowed), strict=True):
        rows = articles.iloc[ranking.positions]
        if rows.empty:
            rows = pd.DataFrame([dict.fromkeys(IN_TABLE)])
        ranks = range(1, len(ranking.scores) + 1)
        filled = (
            {"rank": ranks, "score": ranking.scores} if ranks else {"rank": None, "score": None}
        )
        parts.append(rows.assign(query=query, retriever=name, **filled))
    table = pd.concat(parts, ignore_index=True)
    table["rank"] = table["rank"].astype("Int64")
    return table[["query", "retriever", "rank", "score", *IN_TABLE]]


def reasons(
    retriever: Retriever,
    encoder: E5Encoder | None,
    query: str,
    position: int,
    allowed: np.ndarray | None = None,
) -> Reasons:
    """Of the passage at `position`; `encoder` is that of a retriever that uses one."""
    fusion = retriever.fusion if isinstance(retriever, RerankRetriever) else retriever
    members = fusion.members if isinstance(fusion, FusionRetriever) else [retriever]
    lexical = next((m for m in members if isinstance(m, BM25Retriever)), None)
    passage = retriever.corpus.articles["passage"].iloc[position]  # the same in every such corpus
    ranks = None
    if len(members) > 1:
        found = [member.search([query], FUSED, allowed)[0].positions for member in members]
        ranks = [
            int(at[0]) + 1 if len(at := np.flatnonzero(f == position)) else None for f in found
        ]
    return Reasons(
        terms=term_scores(lexical, query, position) if lexical else None,
        dense=encoder is not None,
        heat=token_heat(encoder, query, passage) if encoder else None,
        ranks=ranks,
        reranked=isinstance(retriever, RerankRetriever),
    )


def side_by_side(columns: list[Column], k: int) -> Answer:
    ranked = {column.retriever: column.ranked for column in columns}
    return Answer(columns, agreements(ranked, k))


def as_json(answer: Answer) -> dict[str, Any]:
    """As the command line and the HTTP API give it: plain values, `columns` and `agreement`."""
    columns = [
        {
            "retriever": column.retriever,
            "milliseconds": column.milliseconds,
            "encode_milliseconds": column.encode_milliseconds,
            "search_milliseconds": column.search_milliseconds,
            "hits": [asdict(hit) for hit in column.hits],
        }
        for column in answer.columns
    ]
    return {"columns": columns, "agreement": [asdict(one) for one in answer.agreement]}


def _hits(corpus: Corpus, ranking: Ranking, k: int) -> list[Hit]:
    scores = ranking.scores.tolist()
    margins = [*(score - after for score, after in pairwise(scores)), None]
    return [
        Hit(
            rank,
            corpus.ids[at],
            scores[rank - 1],
            margins[rank - 1],
            *(corpus.fields[name][at] for name in SHOWN),
        )
        for rank, at in enumerate(ranking.positions[:k].tolist(), start=1)
    ]
