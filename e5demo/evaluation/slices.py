"""Two experiments by subset of the test queries: where does the one gain, where does it not?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from e5demo.data.corpus import Queries
from e5demo.evaluation.comparison import ALPHA, Difference, Verdict, compare, holm
from e5demo.retrieval.lexical import tokenise

MOST_AGENCIES = 8
LEAST_QUERIES = 20
MISSING, OTHER = "missing", "other"
LENGTHS = ("0-6", "7-10", "11-14", "15+")
OVERLAPS = ("none", "under_half", "half_or_more", "all")
NEARNESS = ("far", "middle", "near")
LEAST_SHARE = 1e-9  # anything above none
BATCH = 256  # queries compared with all train titles at once


@dataclass(frozen=True)
class Slice:
    """Right less left over the queries with this label, as a `Difference` has it.

    `p_corrected` is after Holm over all slices tested. `too_few` queries are not tested: they have
    neither interval nor p.
    """

    feature: str
    label: str
    queries: int
    left_mean: float
    right_mean: float
    mean: float
    low: float | None
    high: float | None
    p_value: float | None
    p_corrected: float | None
    verdict: Verdict | Literal["too_few"]


def query_features(pairs: pd.DataFrame, parts: pd.Series, queries: Queries) -> pd.DataFrame:
    """Labels by query id, a row for each of these test queries.

    - `agency` and `year` of the title's first test pair: the queries' 8 most frequent agencies,
      the rest `other`; `none` where the data have none
    - `title_length`: its words, punctuation between spaces not counted, as in LENGTHS
    - `overlap`: the share of its BM25 terms that its right passage has (the best of several), as
      in OVERLAPS; `none` also for a title without terms
    - `seen`: a third each of the queries by how near the nearest train title is, as in NEARNESS.
      It stands for 'was its subject trained on?': titles with words in common often, but not
      always, share a subject. The thirds are of these queries, so `near` is relative.

    Raises KeyError for a query that is no title of the test split.
    """
    tested = pairs[(parts == "test").to_numpy()].drop_duplicates("query_id")
    asked = tested.set_index("query_id").loc[list(queries.texts)]
    texts = dict(zip(pairs["passage_id"], pairs["passage"], strict=True))
    answers = [[texts[answer] for answer in queries.qrels[query]] for query in asked.index]
    titles = list(queries.texts.values())
    trained = pairs.loc[(parts == "train").to_numpy(), "query"].unique().tolist()
    years = asked["date"].astype("str").str[:4]
    return pd.DataFrame(
        {
            "agency": _agencies(asked["agency"]),
            "year": years.fillna(MISSING).astype(object),
            "title_length": _cut([words(title) for title in titles], (7, 11, 15), LENGTHS),
            "overlap": _cut(overlaps(titles, answers), (LEAST_SHARE, 0.5, 1), OVERLAPS),
            "seen": thirds(nearest(titles, trained)),
        },
        index=asked.index,
    )


def compare_slices(
    features: pd.DataFrame,
    left: pd.Series,
    right: pd.Series,
    *,
    least: int = LEAST_QUERIES,
    overall: Verdict | None = None,
) -> list[Slice]:
    """One metric's scores per query, compared within each label of each feature.

    First come the slices whose verdict is not the `overall` one (that of all these queries, found
    here unless told), the largest difference first; last those with too few queries. A feature
    with one label for all says nothing more and is left out. Raises ValueError where left and right
    are not of the same queries, or a query has no features.
    """
    if unknown := set(left.index) - set(features.index):
        raise ValueError(f"{len(unknown)} of {len(left)} queries have no features")
    overall = overall or _compared(left, right).verdict
    labels = features.loc[left.index]
    groups = {
        (str(feature), str(label)): rows.index
        for feature in labels
        if labels[feature].nunique() > 1
        for label, rows in labels.groupby(feature)
    }
    tested = {
        place: _compared(left.loc[ids], right.loc[ids])
        for place, ids in groups.items()
        if len(ids) >= least
    }
    p_values = np.array([difference.p_value for difference in tested.values()])
    corrected = dict(zip(tested, holm(p_values).tolist(), strict=True))
    slices = [
        _slice(place, left.loc[ids], right.loc[ids], tested.get(place), corrected.get(place))
        for place, ids in groups.items()
    ]
    return sorted(
        slices,
        key=lambda one: (one.verdict == "too_few", one.verdict == overall, -abs(one.mean)),
    )


def words(title: str) -> int:
    """Parts between spaces that have a letter or a digit: French sets ':' and '«' apart."""
    return sum(any(map(str.isalnum, part)) for part in title.split())


def overlaps(titles: Sequence[str], answers: Sequence[Sequence[str]]) -> np.ndarray:
    """For each title the share of its BM25 terms that a passage answering it has, the greatest of
    several; 0 without terms or answers. Shape (titles,)."""
    flat = [passage for passages in answers for passage in passages]
    found = iter(_terms(flat))
    shares = []
    for terms, passages in zip(_terms(titles), answers, strict=True):
        best = max((len(terms & next(found)) for _ in passages), default=0)
        shares.append(best / len(terms) if terms else 0.0)
    return np.array(shares)


def nearest(titles: Sequence[str], trained: Sequence[str]) -> np.ndarray:
    """For each title its cosine to the nearest trained one, of TF-IDF vectors (scikit-learn's, with
    smoothed idf) over BM25 terms; 0 where no term is shared. Shape (titles,)."""
    terms = tokenise([*titles, *trained], ids=False)
    if not trained or not any(terms):
        return np.zeros(len(titles))
    # Fitted on both: terms that no train title has must count in the length of the others.
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer=_as_is).fit_transform(terms).tocsr()
    asked, known = vectors[: len(titles)], vectors[len(titles) :].T.tocsr()
    best = [
        (asked[begin : begin + BATCH] @ known).max(axis=1).toarray().ravel()
        for begin in range(0, len(titles), BATCH)
    ]
    return np.concatenate(best)


def thirds(values: np.ndarray) -> list[str]:
    """`far` for the third with the lowest values, `near` for the one with the highest.

    Equal values are in one third, that of their mean rank: thirds may differ in size.
    """
    places = (pd.Series(values).rank() - 0.5) / len(values)
    return _cut(places, (1 / 3, 2 / 3), NEARNESS)


def _agencies(agencies: pd.Series) -> pd.Series:
    known = agencies.astype("str").replace("", None)
    counts = known.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    frequent = known.isin(counts.index[:MOST_AGENCIES])
    return known.where(frequent | known.isna(), OTHER).fillna(MISSING).astype(object)


def _cut(values: Iterable[float], starts: Sequence[float], labels: Sequence[str]) -> list[str]:
    """The label of each value; each but the first label begins at its start."""
    return [labels[place] for place in np.searchsorted(starts, list(values), side="right")]


def _terms(texts: Sequence[str]) -> list[set[str]]:
    return [set(terms) for terms in tokenise(texts, ids=False)] if texts else []


def _as_is(terms: list[str]) -> list[str]:
    return terms


def _compared(left: pd.Series, right: pd.Series) -> Difference:
    scores = {"left": left.to_frame("score"), "right": right.to_frame("score")}
    return compare(scores).of("left", "right", "score")


def _slice(
    place: tuple[str, str],
    left: pd.Series,
    right: pd.Series,
    tested: Difference | None,
    corrected: float | None,
) -> Slice:
    feature, label = place
    verdict: Verdict | Literal["too_few"] = "too_few"
    if tested and corrected is not None:  # a verdict that the correction leaves standing
        verdict = tested.verdict if corrected < ALPHA else "no_evidence"
    return Slice(
        feature=feature,
        label=label,
        queries=len(left),
        left_mean=float(left.mean()),
        right_mean=float(right.mean()),
        mean=tested.mean if tested else float(right.mean() - left.mean()),
        low=tested.low if tested else None,
        high=tested.high if tested else None,
        p_value=tested.p_value if tested else None,
        p_corrected=corrected,
        verdict=verdict,
    )
