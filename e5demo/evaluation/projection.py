"""Vectors in two dimensions, for the eye: some passages and queries as one or two models see them,
in one plane, and the passages' groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
import pandas as pd

from e5demo.data.corpus import Corpus, Queries

Method = Literal["pca", "umap"]
Vectors = tuple[np.ndarray, np.ndarray]  # of passages and of queries: a row each
SEED = 0
MOST_PASSAGES = 1200  # more hide each other, and slow the page
MOST_QUERIES = 60  # each is joined to its passage by a line
CLUSTERS = 6
WORDS = 2  # that name a cluster


@dataclass(frozen=True)
class Sample:
    """`passages` by id: `title`, `passage`, `agency` and `gain`, which is its query's, NaN where no
    query asks for it. `queries`: `query` and the id of the passage that answers it, in a row for
    each that does; `total` passages are in the corpus."""

    passages: pd.DataFrame
    queries: pd.DataFrame
    total: int


@dataclass(frozen=True)
class NewsMap:
    """A sample, each passage's cluster by the first model, and by model the places, (n, 2), of
    passages and queries. `share` is the part of the variance in the plane; None for UMAP."""

    sample: Sample
    clusters: list[str]
    places: dict[str, Vectors]
    share: float | None


def methods() -> list[Method]:
    """Those that can be had here: UMAP needs the package umap-learn."""
    return ["pca", "umap"] if find_spec("umap") else ["pca"]


def draw_sample(corpus: Corpus, queries: Queries, gain: pd.Series) -> Sample:
    """The queries that `gain` (by query id) says changed most, their passages, and others drawn."""
    moved = gain.abs().sort_values(ascending=False, kind="stable").index
    answers = pd.DataFrame(
        [(query, one) for query in moved for one in queries.qrels[query]],
        columns=["query_id", "passage_id"],
    )
    shown = answers[answers["query_id"].isin(moved[:MOST_QUERIES])]
    kept = list(dict.fromkeys(shown["passage_id"]))[:MOST_PASSAGES]
    others = corpus.articles.index.difference(kept)
    wanted = min(len(others), MOST_PASSAGES - len(kept))
    drawn = np.random.default_rng(SEED).choice(others.to_numpy(), wanted, replace=False)
    passages = corpus.articles.loc[[*kept, *sorted(drawn)], ["title", "passage", "agency"]]
    gain_of = answers.drop_duplicates("passage_id").set_index("passage_id")["query_id"].map(gain)
    return Sample(
        passages.assign(gain=gain_of.reindex(passages.index)),
        shown[shown["passage_id"].isin(kept)].assign(query=shown["query_id"].map(queries.texts)),
        len(corpus),
    )


def make_map(sample: Sample, vectors: Mapping[str, Vectors], method: Method) -> NewsMap:
    """`vectors` by model, of the sample's passages and queries in their order."""
    places, share = project([part for both in vectors.values() for part in both], method)
    pairs = zip(places[::2], places[1::2], strict=True)
    passages, _ = next(iter(vectors.values()))
    clusters = cluster(passages, sample.passages["title"].tolist(), CLUSTERS)
    return NewsMap(sample, clusters, dict(zip(vectors, pairs, strict=True)), share)


def project(
    parts: Sequence[np.ndarray], method: Method = "pca"
) -> tuple[list[np.ndarray], float | None]:
    """All parts (n, dimensions) as (n, 2), in one plane found for all of them together.

    The second value is the share of the variance that the plane holds; None for UMAP, which keeps
    neighbours rather than distances (McInnes, Healy and Melville 2018).
    """
    together = np.concatenate(parts)
    share = None
    if method == "umap":
        import umap  # type: ignore[import-not-found, unused-ignore]

        places = umap.UMAP(metric="cosine", random_state=SEED).fit_transform(together)
    else:
        from sklearn.decomposition import PCA

        pca = PCA(n_components=2, random_state=SEED)
        places = pca.fit_transform(together)
        share = float(pca.explained_variance_ratio_.sum())
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return np.split(np.asarray(places, dtype=np.float32), ends), share


def cluster(vectors: np.ndarray, texts: Sequence[str], count: int) -> list[str]:
    """For each text the words that set its cluster apart; k-means on the unit vectors.

    They are those of the highest mean tf-idf among the cluster's texts. Clusters with the same
    words get a number.
    """
    from sklearn.cluster import KMeans

    count = min(count, len(np.unique(vectors, axis=0)))
    found = KMeans(count, n_init=3, random_state=SEED).fit_predict(vectors)
    names: list[str] = []
    for words in _telling_words(found, texts):
        taken = sum(name.split(" (")[0] == words for name in names)
        names.append(f"{words} ({taken + 1})" if taken else words)
    return [names[number] for number in found.tolist()]


def _telling_words(found: np.ndarray, texts: Sequence[str]) -> list[str]:
    from bm25s.stopwords import STOPWORDS_FRENCH
    from sklearn.feature_extraction.text import TfidfVectorizer

    clusters = range(int(found.max()) + 1)
    vectorizer = TfidfVectorizer(stop_words=list(STOPWORDS_FRENCH), token_pattern=r"[^\W\d_]{3,}")
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # not a word in all the texts
        return ["—"] * len(clusters)
    words = vectorizer.get_feature_names_out()
    means = [np.asarray(weights[found == number].mean(axis=0)).ravel() for number in clusters]
    return [", ".join(words[np.argsort(-mean, kind="stable")[:WORDS]]) for mean in means]
