"""The report to read: one page of HTML that holds all it needs, without a script or a network.

All text passes through `escape`: names and a data set's title are a person's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from e5demo.evaluation.comparison import RESAMPLES, Difference
from e5demo.evaluation.experiments import Experiment
from e5demo.figures import COLOURS
from e5demo.report.cautions import cautions
from e5demo.report.charts import Row, whiskers
from e5demo.report.evidence import Evidence
from e5demo.report.text import (
    count,
    decimal,
    interval,
    known,
    p_value,
    say,
    share,
    signed,
)

SIGNS = {"better": "▲ ", "worse": "▼ ", "no_evidence": ""}
STYLE = """
html { font-size: 15px; }
body { font: 1rem/1.5 system-ui, sans-serif; color: #1c1b1a; background: #fff; max-width: 74rem;
  margin: 2rem auto; padding: 0 1.2rem; }
h1, h2 { font-family: Georgia, "Times New Roman", serif; line-height: 1.2; }
h1 { font-size: 1.7rem; margin: 0; border-bottom: 2px solid; padding-bottom: .3rem; }
h2 { font-size: 1.15rem; margin: 1.8rem 0 .4rem; border-top: 1px solid #dcd8ce;
  padding-top: .7rem; }
h1, h2, p, li, dd { overflow-wrap: anywhere; }
h2, figcaption { break-after: avoid; }
p, li { max-width: 50rem; }
li { margin: .4rem 0; }
li, tr, figure { break-inside: avoid; }
figure { margin: 1rem 0; }
figcaption, small { color: #6a665f; font-size: .85rem; }
svg { display: block; width: 100%; max-width: 52rem; font-size: 13px; }
svg text { fill: #1c1b1a; }
svg text.tick { fill: #6a665f; font-size: 12px; }
svg path.tick { stroke: #dcd8ce; }
svg path.zero { stroke: #1c1b1a; stroke-dasharray: 3 3; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .25rem .7rem .25rem 0;
  border-bottom: 1px solid #dcd8ce; }
td:first-child { min-width: 8rem; }
td small { display: block; font-size: .78rem; max-width: 16rem; overflow-wrap: break-word; }
td code { display: block; white-space: pre; }
.number { white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0; }
dt { color: #6a665f; }
dd { margin: 0; }
@page { size: A4 landscape; }
@media print { html { font-size: 11px; } body { margin: 0; padding: 0; max-width: none; }
  .scroll { overflow: visible; } }
"""


def report_page(language: str, evidence: Evidence) -> str:
    first = evidence.experiments[0]
    intro = say(
        language,
        "intro",
        queries=count(language, first.queries),
        passages=count(language, first.passages),
        dataset=evidence.dataset,
    )
    compared = bool(evidence.main_differences)
    parts = [
        f"<h1>{escape(evidence.title)}</h1><p>{escape(intro)}</p>",
        _section(language, "head_verdicts", _verdicts(language, evidence)),
        _section(language, "head_scores", _scores(language, evidence)),
        _section(language, "head_differences", _differences(language, evidence))
        if compared
        else "",
        _section(language, "head_measured", _measured(language, evidence)),
        _section(language, "head_cautions", _cautions(language, evidence)),
        _section(language, "head_method", _method(language)),
    ]
    return (
        f'<!doctype html>\n<html lang="{known(language)}"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(evidence.title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


def verdict(language: str, evidence: Evidence, difference: Difference) -> tuple[str, str]:
    """The sentence, and the figures that bear it."""
    names = evidence.names
    told = {"right": names[difference.right], "left": names[difference.left]}
    figures = say(
        language,
        "figures",
        metric=difference.metric,
        difference=signed(language, difference.mean),
        interval=interval(language, difference),
        p=p_value(language, difference.p_corrected),
        wins=count(language, difference.wins),
        ties=count(language, difference.ties),
        losses=count(language, difference.losses),
    )
    if difference.queries_needed:
        needed = count(language, difference.queries_needed)
        figures += " " + say(language, "needed", needed=needed)
    return say(language, difference.verdict, **told), figures


def _verdicts(language: str, evidence: Evidence) -> str:
    told = [verdict(language, evidence, one) for one in evidence.main_differences]
    if not told:
        return f"<p>{escape(say(language, 'alone'))}</p>"
    return _items(
        f"<b>{escape(sentence)}</b><br><small>{escape(figures)}</small>"
        for sentence, figures in told
    )


def _scores(language: str, evidence: Evidence) -> str:
    intervals, metric = evidence.comparison.intervals, evidence.main_metric
    rows = []
    for one in evidence.experiments:
        told = intervals[one.id][metric]
        shown = f"{decimal(language, told.mean)} {interval(language, told)}"
        name, colour = evidence.names[one.id], _colour(one.id)
        rows.append(Row(name, shown, told.mean, told.low, told.high, colour))
    cells = [
        [
            _named(evidence.names[one.id], one.id),
            *(
                _cell(decimal(language, told.mean), interval(language, told))
                for told in intervals[one.id].values()
            ),
        ]
        for one in evidence.experiments
    ]
    title = say(language, "chart_scores", metric=metric)
    heads = [say(language, "experiment"), *evidence.metrics]
    chart = whiskers(rows, title, lambda number, places: decimal(language, number, places))
    return _figure(chart, title) + _table(heads, cells)


def _differences(language: str, evidence: Evidence) -> str:
    rows = []
    for d in evidence.main_differences:
        shown = f"{signed(language, d.mean)} {interval(language, d)}"
        label, filled = _pair(language, evidence, d), d.verdict != "no_evidence"
        rows.append(Row(label, shown, d.mean, d.low, d.high, _colour(d.right), filled))
    title = say(language, "chart_differences", metric=evidence.main_metric)
    chart = whiskers(
        rows, title, lambda number, places: signed(language, number, places), zero=True
    )
    cells = [
        [
            escape(_pair(language, evidence, d)),
            *(
                _difference_cell(language, evidence.comparison.of(d.left, d.right, metric))
                for metric in evidence.metrics
            ),
        ]
        for d in evidence.main_differences
    ]
    heads = [say(language, "difference"), *evidence.metrics]
    note = f"<p><small>{escape(say(language, 'note_differences'))}</small></p>"
    return _figure(chart, title) + _table(heads, cells) + note


def _difference_cell(language: str, difference: Difference) -> str:
    shown = SIGNS[difference.verdict] + signed(language, difference.mean)
    return _cell(shown, interval(language, difference))


def _named(name: str, below: str) -> str:
    return f"{escape(name)}<small>{escape(below)}</small>"


def _cell(number: str, below: str) -> str:
    return f'<span class="number">{number}</span><small class="number">{below}</small>'


def _measured(language: str, evidence: Evidence) -> str:
    first, split = evidence.experiments[0], evidence.split
    sizes = {name: count(language, len(table)) for name, table in evidence.splits.items()}
    split_told = say(
        language,
        "split_told",
        mode=say(language, f"mode_{split.mode}"),
        test=share(language, split.test_share),
        validation=share(language, split.validation_share),
        seed=split.seed,
    )
    corpus = f"corpus_{first.measured.corpus_kind}"
    ground = first.measured
    facts = [
        ("dataset", evidence.dataset),
        ("fingerprint", evidence.fingerprint),
        ("pairs", say(language, "pairs_told", **sizes)),
        ("split", split_told),
        ("corpus", f"{say(language, corpus, passages=count(language, first.passages))} "
                   f"({ground.corpus})"),
        ("queries", f"{say(language, 'queries_told', count=count(language, first.queries))} "
                    f"({ground.queries})"),
        ("versions", _versions(first.versions)),
        ("report_versions", _versions(evidence.versions)),
    ]  # fmt: skip
    heads = [say(language, key) for key in
             ("experiment", "weights", "prompts", "length", "precision", "training",
              "measured_at")]  # fmt: skip
    rows = [_measured_row(language, evidence, one) for one in evidence.experiments]
    items = "".join(f"<dt>{escape(say(language, k))}</dt><dd>{escape(v)}</dd>" for k, v in facts)
    return f"<dl>{items}</dl>" + _table(heads, rows)


def _measured_row(language: str, evidence: Evidence, one: Experiment) -> list[str]:
    measured, tuned = one.measured, evidence.trainings.get(one.id)
    weights = prompts = training = "—"
    if measured.weights:
        told = say(language, f"weights_{measured.weights}")
        weights = _named(f"{measured.model} ({told})", str(measured.model_fingerprint))
    if measured.prompts:
        prompts = "".join(f"<code>{escape(text)}</code>" for text in measured.prompts.values())
    if tuned:
        training = say(
            language,
            "training_told",
            method=say(language, f"method_{tuned.settings.method}"),
            preset=tuned.preset,
            pairs=count(language, tuned.pairs),
            steps=count(language, tuned.trained.steps if tuned.trained else 0),
            seed=tuned.settings.seed,
        )
    moment = datetime.fromtimestamp(one.created, UTC)
    return [
        _named(evidence.names[one.id], one.id),
        weights,
        prompts,
        measured.tokens_told,
        escape(" · ".join(filter(None, (measured.precision, measured.computed))) or "—"),
        escape(training),
        f"{moment:%Y-%m-%d} <small>{moment:%H:%M} UTC</small>",
    ]


def _cautions(language: str, evidence: Evidence) -> str:
    told = cautions(language, evidence)
    return _items(map(escape, told)) if told else f"<p>{escape(say(language, 'caution_none'))}</p>"


def _method(language: str) -> str:
    told = [
        say(language, "method_metrics"),
        say(language, "method_intervals", resamples=count(language, RESAMPLES)),
        say(language, "method_verdicts"),
    ]
    return _items(map(escape, told))


def _pair(language: str, evidence: Evidence, d: Difference) -> str:
    return say(language, "pair", right=evidence.names[d.right], left=evidence.names[d.left])


def _colour(experiment_id: str) -> str:
    return COLOURS[experiment_id.split("-")[0]]


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _section(language: str, head: str, body: str) -> str:
    return f"<h2>{escape(say(language, head))}</h2>\n{body}"


def _figure(chart: str, caption: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{chart}</figure>"


def _items(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Heads are text, cells HTML."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )
