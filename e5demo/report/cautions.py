"""What the data themselves tell a reader to keep in mind."""

from collections.abc import Iterator

from e5demo.report.evidence import Evidence
from e5demo.report.text import count, say

FEW_QUERIES = 100


def cautions(language: str, evidence: Evidence) -> list[str]:
    """A sentence each; none where nothing speaks for one."""
    return [*_of_the_queries(language, evidence), *_of_the_models(language, evidence)]


def _of_the_queries(language: str, evidence: Evidence) -> Iterator[str]:
    asked, there = len(evidence.queries), evidence.splits["test"]["query_id"].nunique()
    if asked < FEW_QUERIES:
        yield say(language, "caution_few", count=count(language, asked))
    if asked < there:
        told = {"count": count(language, asked), "all": count(language, there)}
        yield say(language, "caution_sample", **told)
    if evidence.experiments[0].measured.corpus_kind == "test":
        yield say(language, "caution_test_corpus")


def _of_the_models(language: str, evidence: Evidence) -> Iterator[str]:
    experiments = evidence.experiments
    for one in experiments:
        tuned = evidence.trainings.get(one.id)
        if tuned and (tuned.split, tuned.data) != (evidence.split, evidence.fingerprint):
            yield say(language, "caution_elsewhere", name=evidence.names[one.id])
    if any(one.measured.weights == "tuned" for one in experiments):
        if evidence.leaks:
            yield say(language, "caution_leaks", count=count(language, evidence.leaks))
        yield say(language, "caution_one_training")
    if any(one.measured.weights == "bundled-4bit" for one in experiments):
        yield say(language, "caution_4bit")
    lengths = sorted({one.measured.max_length for one in experiments if one.measured.max_length})
    if len(lengths) > 1:
        yield say(language, "caution_lengths", lengths=", ".join(map(str, lengths)))
    if any(one.versions != experiments[0].versions for one in experiments):
        yield say(language, "caution_versions")
