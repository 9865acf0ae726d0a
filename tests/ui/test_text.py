"""All words are there in both languages, none is left over, and all values find their place."""

import ast
import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

import e5demo
from e5demo.config import CorpusKind, EvaluationSettings, SplitSettings
from e5demo.data.browsing import ORDERS
from e5demo.data.pairs import RULES
from e5demo.data.profile import FIELDS
from e5demo.data.splits import SPLITS
from e5demo.errors import BadSetting, E5DemoError, EmptySplit, MarkupFile
from e5demo.figures import COLOURS
from e5demo.jobs import State
from e5demo.retrieval.models import Weights
from e5demo.ui import TABS, compare_text, search_text, train_text
from e5demo.ui.text import (
    FRENCH_ERRORS,
    SPOKEN,
    STATIC,
    count,
    decimal,
    duration,
    explain,
    french,
    say,
    translations,
)

N = "\u00a0"
CODE = {path: path.read_text("utf-8") for path in Path(e5demo.__file__).parent.rglob("*.py")}
PARTS = [part.SPOKEN for part in (compare_text, search_text, train_text)]
MODES = get_args(SplitSettings.model_fields["mode"].annotation)
STAGES = {stage for text in CODE.values() for stage in re.findall(r'progress\("(\w+)"', text)}
SUBMITTED = r'\.(?:submit|queue)\([^)]*?"(prepare|encode|evaluate|train|estimate)"'
JOBS = {job for text in CODE.values() for job in re.findall(SUBMITTED, text)} | {"train"}


def holes(text):
    return {name for _, name, *_ in Formatter().parse(text) if name is not None}


# --- the tables ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [*STATIC, *SPOKEN])
def test_a_text_is_there_in_both_languages_with_the_same_places_for_values(key):
    for table in (STATIC, SPOKEN):
        if key in table:
            french, english = table[key]
            assert french.strip()
            assert english.strip()
            assert holes(french) == holes(english)


def test_no_text_takes_the_place_of_another():
    """A key that two modules had would be read from the last."""
    tables = [*PARTS, {key: SPOKEN[key] for key in SPOKEN if not any(key in p for p in PARTS)}]
    assert sum(map(len, tables)) == len(SPOKEN)


def test_the_browser_s_texts_take_no_values():
    assert {key for key, texts in STATIC.items() if "{" in "".join(texts)} == set()
    given = translations()
    assert given["fr"].keys() == given["en"].keys() == STATIC.keys()
    assert (given["fr"]["tab_data"], given["en"]["tab_data"]) == ("Données", "Data")


# --- where they are used ---------------------------------------------------------------------


def lookups():
    """Each look-up in ui/: where, its table, its key as a pattern, names of the values given.

    An f-string's places match anything. A variable stands for each key among the strings of its
    function. Values are None where they come from a dict.
    """
    for path in sorted(CODE):
        if path.parent.name == "ui":
            for scope in ast.walk(ast.parse(CODE[path])):
                if isinstance(scope, ast.FunctionDef):
                    yield from lookups_in(scope, path.name)


def lookups_in(scope, where):
    strings = {n.value for n in ast.walk(scope) if isinstance(n, ast.Constant)}
    for call in (node for node in ast.walk(scope) if isinstance(node, ast.Call)):
        function = ast.unparse(call.func).rpartition(".")[2]
        if function in ("t", "text_of", "i18n"):
            table, key = STATIC, call.args[0]
        elif function == "label":
            table, key = STATIC, call.args[1]
        elif function == "say":
            table, key = SPOKEN, call.args[1]
        else:
            continue
        names = {keyword.arg for keyword in call.keywords}
        for pattern in patterns(key, strings & table.keys()):
            line = f"{where}:{call.lineno}"
            yield line, table, pattern, None if None in names else frozenset(names)


def patterns(key, strings):
    if isinstance(key, ast.Constant):
        return [re.escape(key.value)]
    if isinstance(key, ast.JoinedStr):
        parts = (re.escape(p.value) if isinstance(p, ast.Constant) else ".+" for p in key.values)
        return ["".join(parts)]
    if isinstance(key, ast.IfExp):
        return patterns(key.body, strings) + patterns(key.orelse, strings)
    return sorted(map(re.escape, strings))


LOOKUPS = list(lookups())


def matching(table, pattern):
    return [key for key in table if re.fullmatch(pattern, key)]


def test_the_lookups_are_found():
    assert len(LOOKUPS) > 100
    found = [(table is STATIC, pattern) for _, table, pattern, _ in LOOKUPS]
    assert {(True, "tab_.+"), (True, "search_button"), (False, "no_rows")} <= set(found)
    assert (False, "model_loading") in found  # one of two
    assert (False, "model_starting") in found  # through a variable


def test_every_key_that_is_used_exists():
    assert [(where, key) for where, table, key, _ in LOOKUPS if not matching(table, key)] == []


def test_every_value_that_a_text_needs_is_given():
    short = [
        (where, key, name)
        for where, table, pattern, given in LOOKUPS
        if table is SPOKEN and (given or (given is not None and ".+" not in pattern))
        for key in matching(table, pattern)
        for name in holes(SPOKEN[key][0]) - given
    ]
    assert short == []


@pytest.mark.parametrize("table", [STATIC, SPOKEN], ids=["static", "spoken"])
def test_no_key_is_unused(table):
    used = {key for _, where, pattern, _ in LOOKUPS if where is table
            for key in matching(table, pattern)}  # fmt: skip
    if table is STATIC:
        used |= set(COLOURS)  # looked up by kind of retriever
    assert table.keys() - used == set()


@pytest.mark.parametrize(
    ("table", "prefix", "values"),
    [
        (STATIC, "", COLOURS),
        (STATIC, "tab_", TABS),
        (STATIC, "column_", FIELDS),
        (STATIC, "order_", ORDERS),
        (STATIC, "part_", SPLITS),
        (STATIC, "mode_", MODES),
        (STATIC, "corpus_", get_args(CorpusKind)),
        (SPOKEN, "mode_", MODES),
        (SPOKEN, "leaks_", MODES),
        (SPOKEN, "rule_", [*RULES, "kept"]),
        (SPOKEN, "field_", FIELDS),
        (SPOKEN, "repeat_", ["passage", "near", "title"]),
        (SPOKEN, "weights_", get_args(Weights)),
        (SPOKEN, "state_", [*get_args(State), "stalled"]),
        (SPOKEN, "stage_", STAGES),
        (SPOKEN, "job_", JOBS),
    ],
)
def test_every_value_that_a_key_is_made_from_has_its_words(table, prefix, values):
    assert len(values) > 1
    assert {prefix + value for value in values} - table.keys() == set()


# --- errors ----------------------------------------------------------------------------------


def all_errors(base=E5DemoError):
    for error in base.__subclasses__():
        yield error
        yield from all_errors(error)


@pytest.mark.parametrize("error", sorted(set(all_errors()), key=lambda one: one.__name__))
def test_every_error_has_a_french_sentence_with_values_that_it_has(error):
    sentence = FRENCH_ERRORS[error.__name__]
    assert holes(sentence) <= holes(error.sentence)
    values = {name: f"«{name}»" for name in holes(error.sentence)} | {"mistakes": []}
    told = explain("fr", error(**values))
    assert told == french(sentence).format(**values)
    assert told != explain("en", error(**values)) == error.sentence.format(**values)


def test_no_french_sentence_is_without_its_error():
    assert FRENCH_ERRORS.keys() == {error.__name__ for error in all_errors()}


def test_an_error_is_explained_by_its_own_class():
    assert explain("fr", MarkupFile(name="n.csv")).startswith(
        "n.csv n’est pas un CSV\u00a0: il commenc"
    )
    error = EmptySplit(pairs=3, split="test")
    assert explain("fr", error).startswith(
        "Avec 3 paires et ces parts, la part «\u00a0test\u00a0» est vide"
    )
    assert explain("en", error).startswith("With 3 pairs and these shares the test split is empty")
    assert explain("", error) == explain("en", error)


ON_THE_PAGE = {
    "mode": "Découpage",
    "test_share": "Part de test",
    "validation_share": "Validation (du reste)",
    "seed": "Graine",
    "corpus": "Chercher dans",
    "max_length": "Tokens lus",
    "limit_queries": "Requêtes",
    "cutoffs": "Seuils k",
}


@pytest.mark.parametrize(
    ("settings", "name", "value", "told"),
    [
        (SplitSettings, "mode", "x", "'x' n’est pas un choix possible ('notebook' or 'grouped')"),
        (SplitSettings, "mode", None, "vide n’est pas un choix possible ('notebook' or 'grouped')"),
        (SplitSettings, "test_share", 0, "0 doit être plus grand que 0"),
        (SplitSettings, "test_share", 1, "1 doit être plus petit que 1"),
        (SplitSettings, "test_share", None, "vide doit être un nombre"),
        (SplitSettings, "validation_share", "x", "'x' doit être un nombre"),
        (SplitSettings, "seed", -1, "-1 doit être au moins 0"),
        (SplitSettings, "seed", 2**32, "4294967296 doit être plus petit que 4294967296"),
        (SplitSettings, "seed", None, "vide doit être un nombre entier"),
        (SplitSettings, "seed", 1.5, "1,5 doit être un nombre entier"),
        (SplitSettings, "seed", float("inf"), "inf doit être un nombre fini"),
        (SplitSettings, "test_size", 1, "1 n’est pas un réglage connu"),
        (EvaluationSettings, "corpus", "x", "'x' n’est pas un choix possible ('test' or 'all')"),
        (EvaluationSettings, "max_length", 513, "513 doit être au plus 512"),
        (EvaluationSettings, "max_length", "x", "'x' doit être un nombre entier"),
        (EvaluationSettings, "limit_queries", -1, "-1 doit être au moins 1"),
        (EvaluationSettings, "cutoffs", [], "[] ne doit pas être vide"),
        (EvaluationSettings, "cutoffs", 5, "5 doit être une suite de nombres"),
    ],
)
def test_a_bad_setting_is_explained_in_french(settings, name, value, told):
    with pytest.raises(BadSetting) as caught:
        settings.checked(**{name: value})
    shown = ON_THE_PAGE.get(name, name)
    assert explain("fr", caught.value) == f"Réglage refusé\u00a0: {shown} = {told}"


def test_all_bad_settings_are_explained_at_once_by_the_labels_of_the_page():
    with pytest.raises(BadSetting) as caught:
        SplitSettings.checked(test_share=2, seed=-1)
    assert explain("fr", caught.value) == (
        "Réglage refusé\u00a0: Part de test = 2 doit être plus petit que 1\u00a0; Graine = -1 doit "
        "être au moins 0"
    )
    with pytest.raises(BadSetting) as caught:
        EvaluationSettings.checked(cutoffs=["1", "dix", "0"])
    told = explain("fr", caught.value)
    assert "Seuils k = 'dix' doit être un nombre entier" in told
    assert "Seuils k = '0' doit être au moins 1" in told


def test_no_french_line_begins_with_a_sign_or_ends_with_an_opening_one():
    assert french("Oui : « ça » ; 5 % ?") == f"Oui{N}: «{N}ça{N}»{N}; 5{N}%{N}?"
    assert say("fr", "percent", share="5") == f"5{N}%"
    assert (
        french("1 000 titres, 470 Mo en {count} min")
        == f"1\u202f000 titres, 470{N}Mo en {{count}}{N}min"
    )
    assert say("fr", "megabytes", count="5") == f"5{N}Mo"
    assert translations()["fr"]["query_hint"] == french(STATIC["query_hint"][0])
    assert translations()["en"]["query_hint"] == STATIC["query_hint"][1]


def test_what_is_no_yaml_is_explained_too(tmp_path):
    (tmp_path / "s.yaml").write_text("- 1\n")
    with pytest.raises(BadSetting) as caught:
        SplitSettings.from_yaml(tmp_path / "s.yaml")
    assert "s.yaml" in explain("fr", caught.value)


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "french", "english"),
    [(0, "0", "0"), (999, "999", "999"), (20417, "20\u202f417", "20,417"),
     (1234567.0, "1\u202f234\u202f567", "1,234,567")],
)  # fmt: skip
def test_counts_have_their_thousands_apart(number, french, english):
    assert (count("fr", number), count("en", number)) == (french, english)


def test_decimals_have_the_language_s_point():
    assert (decimal("fr", 0.9664), decimal("en", 0.9664)) == ("0,966", "0.966")
    assert (decimal("fr", 2, 1), decimal("en", 99.6, 0)) == ("2,0", "100")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "1 s"),
        (40.4, "40 s"),
        (89, "89 s"),
        (90, "2 min"),
        (720, "12 min"),
        (5399, "90 min"),
        (5400, "2 h"),
        (10_800, "3 h"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_fits(seconds, told):
    assert duration("en", seconds) == told
    assert duration("fr", seconds) == told.replace(" ", N)


def test_a_text_in_no_known_language_is_english():
    assert say("fr", "page_of", first=1, last=20, total=45) == "1–20 sur 45"
    assert say("de", "page_of", first=1, last=20, total=45) == "1–20 of 45"
