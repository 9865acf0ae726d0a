"""All that a report says, in French and English; and numbers as each language writes them."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from e5demo.evaluation.comparison import Difference, Interval
from e5demo.evaluation.experiments import Experiment

LANGUAGES = ("fr", "en")
SEPARATORS = {"fr": ", ", "en": ".,"}  # plotly's decimal and thousands signs

TEXTS: dict[str, tuple[str, str]] = {
    # kinds of retrievers
    "bm25": ("BM25", "BM25"),
    "baseline": ("E5 de base", "E5 baseline"),
    "fusion": ("Fusion", "Fusion"),
    "rerank": ("Fusion reclassée", "Reranked fusion"),
    "full": ("E5 affiné", "Tuned E5"),
    "lora": ("LoRA", "LoRA"),
    "ablated_none": ("sans préfixes", "without prompts"),
    "ablated_int8": ("int8", "int8"),
    "ablated_int8-128": ("128 dimensions int8", "128 dimensions int8"),
    "ablated_outdated": ("méthode antérieure", "earlier method"),
    "ablated_swapped": ("préfixes échangés", "prompts swapped"),
    "tokens": ("{count} tokens", "{count} tokens"),
    # the page
    "title": ("Comparaison sur {dataset}", "Comparison on {dataset}"),
    "intro": (
        "{queries} titres cherchent leur article parmi {passages} articles. Données : {dataset}.",
        "{queries} titles look for their article among {passages}. Data: {dataset}.",
    ),
    "head_verdicts": ("Verdicts", "Verdicts"),
    "head_scores": ("Scores", "Scores"),
    "head_differences": ("Différences", "Differences"),
    "head_measured": ("Ce qui a été mesuré", "What was measured"),
    "head_cautions": ("Réserves", "Cautions"),
    "head_method": ("Méthode", "How"),
    "better": ("{right} devance {left}.", "{right} does better than {left}."),
    "worse": ("{right} reste derrière {left}.", "{right} does worse than {left}."),
    "no_evidence": (
        "Rien ne prouve une différence entre {right} et {left}.",
        "No evidence of a difference between {right} and {left}.",
    ),
    "figures": (
        "{metric} : {difference} {interval} ; p corrigé {p}. Titres gagnés : {wins} ; inchangés : "
        "{ties} ; perdus : {losses}.",
        "{metric}: {difference} {interval}; corrected p {p}. Titles won: {wins}; unchanged: "
        "{ties}; lost: {losses}.",
    ),
    "needed": (
        "Titres qu’il faut pour voir un écart de cette taille quatre fois sur cinq : environ "
        "{needed}.",
        "Titles that it takes to see a difference of this size four times out of five: about "
        "{needed}.",
    ),
    "alone": (
        "Une seule expérience : il n’y a rien à comparer.",
        "One experiment alone: there is nothing to compare.",
    ),
    "chart_scores": (
        "{metric}, avec son intervalle à 95 %",
        "{metric}, with its 95% interval",
    ),
    "chart_differences": (
        "Différences en {metric}, avec leur intervalle à 95 % ; un point creux : rien n’est prouvé",
        "Differences in {metric}, with their 95% interval; a hollow dot: no evidence",
    ),
    "chart_all_scores": ("Scores moyens, intervalles à 95 %", "Mean scores, 95% intervals"),
    "chart_all_differences": (
        "Différences, intervalles à 95 % ; creux : rien n’est prouvé",
        "Differences, 95% intervals; hollow: no evidence",
    ),
    "chart_recall": ("Rappel selon le rang", "Recall by rank"),
    "axis_rank": ("rang", "rank"),
    "note_differences": (
        "La première nommée moins la seconde ; ▲ mieux, ▼ moins bien, sans signe : rien n’est "
        "prouvé.",
        "The first named less the second; ▲ better, ▼ worse, without a sign: no evidence.",
    ),
    "pair": ("{right} − {left}", "{right} − {left}"),
    "experiment": ("Expérience", "Experiment"),
    "difference": ("Différence", "Difference"),
    "dataset": ("Données", "Data"),
    "fingerprint": ("Empreinte", "Fingerprint"),
    "split": ("Découpage", "Split"),
    "split_told": (
        "{mode}, test {test}, validation {validation} du reste, graine {seed}",
        "{mode}, test {test}, validation {validation} of the rest, seed {seed}",
    ),
    "mode_grouped": ("groupé", "grouped"),
    "mode_notebook": ("notebook", "notebook"),
    "pairs": ("Paires", "Pairs"),
    "pairs_told": (
        "entraînement {train}, validation {validation}, test {test}",
        "train {train}, validation {validation}, test {test}",
    ),
    "corpus": ("Corpus", "Corpus"),
    "corpus_test": ("{passages} articles, ceux du test", "{passages} articles, the test split’s"),
    "corpus_all": ("{passages} articles, tous", "{passages} articles, all"),
    "queries": ("Requêtes", "Queries"),
    "queries_told": ("{count} titres de test", "{count} test titles"),
    "weights": ("Poids", "Weights"),
    "prompts": ("Préfixes", "Prompts"),
    "length": ("Tokens lus", "Tokens read"),
    "precision": ("Précision", "Precision"),
    "training": ("Entraînement", "Training"),
    "training_told": (
        "{method}, préréglage {preset}, {pairs} paires, {steps} pas, graine {seed}",
        "{method}, preset {preset}, {pairs} pairs, {steps} steps, seed {seed}",
    ),
    "method_full": ("tous les poids", "all weights"),
    "method_lora": ("LoRA", "LoRA"),
    "measured_at": ("Mesuré le", "Measured on"),
    "versions": ("Bibliothèques", "Libraries"),
    "report_versions": ("Ce rapport", "This report"),
    "weights_hub": ("originaux", "original"),
    "weights_local": ("dossier local", "local folder"),
    "weights_bundled-4bit": ("copie 4 bits", "4-bit copy"),
    "weights_tuned": ("affinés", "tuned"),
    # cautions
    "caution_none": ("Les données n’en montrent aucune.", "None that the data show."),
    "caution_few": (
        "{count} titres, c’est peu : un écart réel peut rester invisible.",
        "{count} titles are few: a real difference may stay unseen.",
    ),
    "caution_sample": (
        "Un échantillon : {count} des {all} titres de test.",
        "A sample: {count} of the {all} test titles.",
    ),
    "caution_test_corpus": (
        "Les articles du test seuls sont cherchés : c’est plus facile que de chercher dans tous.",
        "The test articles alone are searched: that is easier than to search them all.",
    ),
    "caution_leaks": (
        "{count} paires de validation et de test ont leur double dans l’entraînement : les scores "
        "d’un modèle affiné en sont flattés.",
        "{count} validation and test pairs have a twin in train: a tuned model’s scores are "
        "flattered.",
    ),
    "caution_elsewhere": (
        "{name} a été entraîné sur d’autres données ou un autre découpage : il peut avoir vu des "
        "titres de ce test.",
        "{name} was trained on other data or another split: it may have seen titles of this test.",
    ),
    "caution_one_training": (
        "Un modèle affiné est ici un seul entraînement : les intervalles disent le hasard des "
        "titres, non celui de l’entraînement.",
        "A tuned model is one training here: the intervals tell the luck of the titles, not that "
        "of the training.",
    ),
    "caution_4bit": (
        "La copie 4 bits des poids donne des scores proches de ceux des originaux, pas les mêmes.",
        "The 4-bit copy of the weights gives scores close to the original’s, not the same.",
    ),
    "caution_lengths": (
        "Les modèles n’ont pas tous lu autant de tokens : {lengths}.",
        "The models did not all read as many tokens: {lengths}.",
    ),
    "caution_versions": (
        "Les expériences n’ont pas toutes été faites avec les mêmes versions des bibliothèques.",
        "The experiments were not all made with the same versions of the libraries.",
    ),
    # how
    "method_metrics": (
        "Scores par ir-measures, en moyenne sur les titres. recall@k : la part des bons articles "
        "dans les k premiers ; mrr@k : l’inverse du rang du premier ; ndcg@k selon Järvelin et "
        "Kekäläinen (2002), gain 1.",
        "Scores by ir-measures, averaged over titles. recall@k: the share of the right articles "
        "within the first k; mrr@k: one over the first one’s rank; ndcg@k as in Järvelin and "
        "Kekäläinen (2002), gain 1.",
    ),
    "method_intervals": (
        "Intervalles : bootstrap percentile à 95 % sur les titres, {resamples} rééchantillons, les "
        "mêmes pour toutes les expériences. p : test de permutation apparié bilatéral, corrigé "
        "selon Holm (1979) pour toutes les paires comparées dans la métrique.",
        "Intervals: 95% percentile bootstrap over titles, {resamples} resamples, the same for all "
        "experiments. p: two-sided paired permutation test, corrected as in Holm (1979) for all "
        "pairs compared in the metric.",
    ),
    "method_verdicts": (
        "« Mieux » ou « moins bien » demande les deux : un p corrigé sous 0,05 et un intervalle "
        "sans zéro.",
        "“Better” or “worse” takes both: a corrected p below 0.05 and an interval without zero.",
    ),
    # README.txt
    "readme_check": ("Vérifier les scores", "To check the scores"),
    "readme_check_told": (
        "Chaque commande donne les moyennes qui sont sous « metrics » dans experiments.json :",
        "Each command gives the means that stand under “metrics” in experiments.json:",
    ),
    "readme_manifest": ("Vérifier que les fichiers sont entiers", "To check that files are whole"),
    "readme_files": ("Fichiers", "Files"),
    "file_report": (
        "à lire d’abord : verdicts, scores, réserves ; s’ouvre sans réseau",
        "read this first: verdicts, scores, cautions; opens without a network",
    ),
    "file_figures": (
        "figures interactives, sans réseau ; plotly.min.js doit rester à côté",
        "interactive figures, without a network; plotly.min.js has to stay beside them",
    ),
    "file_metrics": (
        "scores moyens et intervalles à 95 %, pour un tableur, du Markdown ou LaTeX",
        "mean scores and 95% intervals, for a spreadsheet, Markdown or LaTeX",
    ),
    "file_differences": (
        "chaque paire, chaque métrique : différence, intervalle, p, titres gagnés et perdus",
        "each pair, each metric: difference, interval, p, titles won and lost",
    ),
    "file_experiments": (
        "ce qui a été mesuré, avec quoi, en combien de temps, et les scores entiers",
        "what was measured, with what, in what time, and the scores in full",
    ),
    "file_scores": ("les scores de chaque titre", "each title’s scores"),
    "file_run": (
        "le classement de chaque titre, au format TREC : requête, Q0, article, rang, score, nom ; "
        "le score ne dit que le rang",
        "each title’s ranking, in TREC’s format: query, Q0, article, rank, score, name; the score "
        "tells the rank alone",
    ),
    "file_qrels": (
        "le bon article de chaque titre, au format TREC : requête, 0, article, pertinence",
        "each title’s right article, in TREC’s format: query, 0, article, relevance",
    ),
    "file_splits": (
        "les paires d’entraînement, de validation et de test, avec leurs identifiants",
        "the pairs of train, validation and test, with their ids",
    ),
    "file_manifest": ("la somme SHA-256 de chaque fichier", "the SHA-256 of each file"),
}


def say(language: str, key: str, **values: Any) -> str:
    """The text with its values filled in."""
    told, english = TEXTS[key]
    return (french(told) if known(language) == "fr" else english).format(**values)


def report_title(language: str, dataset: str) -> str:
    return say(language, "title", dataset=dataset)


@cache
def french(text: str) -> str:
    """With spaces that no line ends at: before : ; ? ! % » and units, after «, in thousands."""
    text = re.sub(r"(?<=\d) (?=\d{3}\b)", "\u202f", text)
    return re.sub(r"(?<=«) | (?=[:;?!%»])|(?<=[\d}]) (?=(?:Mo|Go|min|ms|h|s)\b)", "\u00a0", text)


def known(language: str) -> str:
    """English for a language that there is no text in."""
    return "fr" if language == "fr" else "en"


def call_experiments(
    language: str, experiments: Sequence[Experiment], given: Mapping[str, str]
) -> dict[str, str]:
    """What to call each, by id, all differently. `given` are names of trainings by id."""
    names = {e.id: retriever_name(language, e.measured.retriever, given) for e in experiments}
    for e in experiments:
        ways = (say(language, f"ablated_{way}") for way in e.measured.ablations)
        names[e.id] = " · ".join([names[e.id], *ways])
    more: list[Callable[[Experiment], str]] = [
        lambda e: (
            say(language, "tokens", count=e.measured.max_length) if e.measured.max_length else e.id
        ),
        lambda e: e.id,
    ]
    for told in more:  # of the same name: what they read, else the id
        times = Counter(names.values())
        for e in experiments:
            if times[names[e.id]] > 1:
                names[e.id] += f" · {told(e)}"
    return names


def retriever_name(language: str, name: str, given: Mapping[str, str]) -> str:
    """'BM25', 'LoRA 3f2a91c0' or what that training was called, 'Fusion · ...' for its fusion."""
    first, _, rest = name.partition(":")
    if rest:
        return f"{say(language, first)} · {retriever_name(language, rest, given)}"
    kind, _, number = first.partition("-")
    return given.get(name) or f"{say(language, kind)} {number}".strip()


# --- numbers -------------------------------------------------------------------------------------


def count(language: str, number: float) -> str:
    """20 417 or 20,417."""
    return f"{number:,.0f}".replace(",", "\u202f" if known(language) == "fr" else ",")


def decimal(language: str, number: float, places: int = 3) -> str:
    """0,966 or 0.966; −0,004 with a true minus."""
    shown = f"{number:.{places}f}".replace("-", "−")
    return shown.replace(".", ",") if known(language) == "fr" else shown


def signed(language: str, number: float, places: int = 3) -> str:
    """+0,023, −0,004; 0,000 has no sign."""
    shown = decimal(language, round(number, places) + 0.0, places)
    return shown if number <= 0 or not round(number, places) else f"+{shown}"


def interval(language: str, told: Interval | Difference) -> str:
    """[0,690 ; 0,723] or [0.690, 0.723]; a difference's ends have their signs."""
    write = signed if isinstance(told, Difference) else decimal
    between = "\u00a0; " if known(language) == "fr" else ", "
    return f"[{write(language, told.low)}{between}{write(language, told.high)}]"


def p_value(language: str, p: float) -> str:
    """< 0,001 or = 0,012."""
    least = 0.001
    if p < least:
        return f"< {decimal(language, least)}"
    return f"= {decimal(language, p)}"


def share(language: str, number: float) -> str:
    """15 % or 15%; 12,5 % where the hundredths tell more."""
    shown = decimal(
        language, number * 100, 0 if abs(round(number * 100) - number * 100) < 0.05 else 1
    )
    return f"{shown}\u00a0%" if known(language) == "fr" else f"{shown}%"
