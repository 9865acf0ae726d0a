"""Checks on the data: which test queries each concerns, and what those do to scores."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from e5demo.data.corpus import Corpus, Qrels, Queries
from e5demo.data.splits import leaking
from e5demo.evaluation.contrasts import gains, gold_ranks
from e5demo.evaluation.metrics import average, score_run


@dataclass(frozen=True)
class Check:
    """The `ids` of those that it concerns among so many `queries`, in the queries' order."""

    name: str
    queries: int
    ids: tuple[str, ...]

    @property
    def share(self) -> float:
        return len(self.ids) / self.queries if self.queries else 0.0


# --- which queries -------------------------------------------------------------------------------


def leaks(
    pairs: pd.DataFrame, keys: pd.DataFrame, parts: pd.Series, queries: Queries
) -> tuple[Check, Check]:
    """A test pair of the query has a twin in train: the same title or passage (`exact`), or, for
    the others, only nearly the same passage (`near`). `keys` are the pairs' `twin_keys`."""
    asked, test = queries.qrels, (parts == "test").to_numpy()
    exact, either = (
        pairs.loc[leaking(keys[names], parts).to_numpy() & test, "query_id"]
        for names in (["title", "passage"], ["title", "passage", "near"])
    )
    near = set(either) - set(exact)
    return _check("exact_leaks", asked, exact), _check("near_leaks", asked, near)


def repeated(rows: pd.DataFrame, queries: Queries) -> Check:
    """A right passage stands in several of the `rows` (pairs) that the corpus was made of: they
    share one id, so finding any of them counts."""
    again = set(rows.loc[rows.duplicated("passage_id"), "passage_id"])
    found = (query for query, answers in queries.qrels.items() if answers.keys() & again)
    return _check("repeated", queries.qrels, found)


def several(queries: Queries) -> Check:
    """The title has more than one right passage in the corpus: any first one counts for MRR, all
    of them for recall and nDCG."""
    found = (query for query, answers in queries.qrels.items() if len(answers) > 1)
    return _check("several", queries.qrels, found)


def verbatim(queries: Queries, corpus: Corpus) -> Check:
    """The title stands word for word in a right passage, whatever the case and the spacing."""
    passages = corpus.articles["passage"].to_dict()
    found = (
        query
        for query, answers in queries.qrels.items()
        if any(_flat(queries.texts[query]) in _flat(passages[answer]) for answer in answers)
    )
    return _check("verbatim", queries.qrels, found)


def outranked(run: pd.DataFrame, qrels: Qrels, groups: pd.Series) -> Check:
    """A near-duplicate of a right passage stands above the right one in the run, and counts as
    wrong. `groups` are `passage_groups`."""
    better = gains(gold_ranks(run, qrels), gold_ranks(run, lenient_qrels(qrels, groups))) > 0
    return _check("outranked", qrels, better.index[better])


# --- what they do to scores ----------------------------------------------------------------------


def without(scores: pd.DataFrame, ids: Collection[str]) -> pd.DataFrame:
    """Scores per query of the other queries, to compare experiments on."""
    return scores[~scores.index.isin(list(ids))]


def effects(scores_by_experiment: Mapping[str, pd.DataFrame], ids: Collection[str]) -> pd.DataFrame:
    """Means by (`experiment`, `metric`): of `all` queries, `without` these, and the `difference`
    that leaving them out makes. NaN where none is left."""
    means = {
        experiment: pd.DataFrame({"all": average(scores), "without": average(without(scores, ids))})
        for experiment, scores in scores_by_experiment.items()
    }
    table = pd.concat(means, names=["experiment", "metric"])
    return table.assign(difference=table["without"] - table["all"])


def passage_groups(pairs: pd.DataFrame, keys: pd.DataFrame, corpus: Corpus) -> pd.Series:
    """The near-duplicate group of each of the corpus's passages, by passage id.

    Each member is nearly the same as another one of its group, and need not be quite as near to
    all of them.
    """
    near = keys["near"].set_axis(pairs["passage_id"].to_numpy())
    return near[~near.index.duplicated()].loc[corpus.ids].rename_axis("passage_id")


def lenient_qrels(qrels: Qrels, groups: pd.Series) -> Qrels:
    """The near-duplicates of a right passage are right too, with relevance 1.

    Raises KeyError for a right passage without a group.
    """
    members = {group: list(ids) for group, ids in groups.groupby(groups).groups.items()}
    group_of = groups.to_dict()
    return {
        query: dict.fromkeys((one for a in answers for one in members[group_of[a]]), 1) | answers
        for query, answers in qrels.items()
    }


def lenient_effect(
    run: pd.DataFrame, qrels: Qrels, groups: pd.Series, cutoffs: Sequence[int]
) -> pd.DataFrame:
    """Means by `metric`: `strict` under these qrels, `lenient` under `lenient_qrels`, and their
    `difference`.

    MRR can only rise. Recall and nDCG may fall too: they ask for all right passages, now more.
    """
    strict = average(score_run(run, qrels, cutoffs))
    lenient = average(score_run(run, lenient_qrels(qrels, groups), cutoffs))
    return _beside(strict, "lenient", lenient)


def copies_effect(
    run: pd.DataFrame, queries: Queries, rows: pd.DataFrame, cutoffs: Sequence[int]
) -> pd.DataFrame:
    """Means by `metric`: `strict` as it is, `apart` where each of the corpus's `rows` (pairs) is a
    passage of its own and a title's own rows alone are right, and their `difference`.

    The copies of one passage score alike, so they stand together, in the rows' order.
    """
    copies = pd.DataFrame(
        {"passage_id": rows["passage_id"], "copy": [f"{n:09}" for n in range(len(rows))]}
    )
    spread = run.merge(copies, on="passage_id").sort_values(["query_id", "rank", "copy"])
    spread["rank"] = spread.groupby("query_id").cumcount() + 1
    apart_run = spread.drop(columns="passage_id").rename(columns={"copy": "passage_id"})
    titled = copies["copy"].groupby(rows["query_id"]).agg(list)
    own = {query: dict.fromkeys(titled.get(query, []), 1) for query in queries.qrels}
    strict = average(score_run(run, queries.qrels, cutoffs))
    apart = average(score_run(apart_run, own, cutoffs))
    return _beside(strict, "apart", apart)


def _beside(strict: Mapping[str, float], name: str, otherwise: Mapping[str, float]) -> pd.DataFrame:
    table = pd.DataFrame({"strict": strict, name: otherwise}).rename_axis("metric")
    return table.assign(difference=table[name] - table["strict"])


def _check(name: str, asked: Collection[str], found: Iterable[str]) -> Check:
    concerned = set(found)
    return Check(name, len(asked), tuple(query for query in asked if query in concerned))


def _flat(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text.casefold()).split())
