"""All that a person reads, in French and English, by key; and numbers as each language writes them.

Keys in STATIC are looked up by the browser (`gradio.I18n`), those in SPOKEN on the server, errors
by the class's name.
"""

from typing import Any, Literal

from e5demo.errors import BadSetting, E5DemoError
from e5demo.report.text import count as count
from e5demo.report.text import french as french
from e5demo.report.text import signed as signed
from e5demo.ui import compare_text, search_text, train_text

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = ("fr", "en")

STATIC: dict[str, tuple[str, str]] = {
    "title": ("# E5 · Presse française", "# E5 · French news"),
    "tagline": (
        "Un titre retrouve-t-il son article ? Mesurez E5, BM25 et leur fusion sur vos dépêches.",
        "Does a headline find its article? Measure E5, BM25 and their fusion on your news.",
    ),
    "tab_data": ("Données", "Data"),
    "tab_splits": ("Splits", "Splits"),
    "tab_search": ("Recherche", "Search"),
    "tab_train": ("Entraînement", "Training"),
    "tab_compare": ("Comparaison", "Comparison"),
    # Données
    "data_intro": (
        "Un CSV de titres et d’articles devient des paires : ce qui reste, ce qui tombe, pourquoi.",
        "A CSV of headlines and articles becomes pairs: what stays, what drops out, and why.",
    ),
    "dataset": ("Jeu de données", "Data set"),
    "upload": ("Ouvrir un CSV", "Open a CSV"),
    "kaggle": ("Depuis Kaggle", "From Kaggle"),
    "delete": ("Supprimer", "Delete"),
    "delete_confirm": ("Supprimer pour de bon", "Delete for good"),
    "cancel": ("Annuler", "Cancel"),
    "reading": (
        "Lecture du fichier : séparateur, encodage, colonnes",
        "How the file is read: delimiter, encoding, columns",
    ),
    "delimiter": ("Séparateur", "Delimiter"),
    "encoding": ("Encodage", "Encoding"),
    "column_query": ("Titre (requête)", "Title (query)"),
    "column_passage": ("Article (passage)", "Article (passage)"),
    "column_date": ("Date", "Date"),
    "column_agency": ("Agence", "Agency"),
    "column_url": ("Lien", "Link"),
    "read_again": ("Relire ainsi", "Read it this way"),
    "funnel": ("Des lignes aux paires", "From rows to pairs"),
    "tab_articles": ("Articles", "Articles"),
    "tab_columns": ("Colonnes et longueurs", "Columns and lengths"),
    "tab_repeats": ("Doublons", "Duplicates"),
    # a table of articles
    "find_text": ("Mots dans le titre ou l’article", "Words in title or article"),
    "agency": ("Agence", "Agency"),
    "since": ("Depuis", "From"),
    "until": ("Jusqu’à", "To"),
    "day_hint": ("AAAA-MM-JJ", "YYYY-MM-DD"),
    "order": ("Ordre", "Order"),
    "order_row": ("du fichier", "as in the file"),
    "order_newest": ("récents d’abord", "newest first"),
    "order_oldest": ("anciens d’abord", "oldest first"),
    "order_title": ("titre A–Z", "title A–Z"),
    "order_longest": ("longs d’abord", "longest first"),
    "order_shortest": ("courts d’abord", "shortest first"),
    "previous": ("← Page précédente", "← Previous page"),
    "next": ("Page suivante →", "Next page →"),
    # Splits
    "splits_intro": (
        "Entraînement, validation et test : le découpage groupé garde les doublons dans une seule "
        "part.",
        "Train, validation and test: the grouped split keeps duplicates within one part.",
    ),
    "mode": ("Découpage", "How to split"),
    "mode_grouped": (
        "Groupé : les doublons restent ensemble",
        "Grouped: duplicates stay together",
    ),
    "mode_notebook": ("Notebook : comme l’original", "Notebook: as in the original"),
    "test_share": ("Part de test", "Test share"),
    "validation_share": ("Validation (du reste)", "Validation (of rest)"),
    "seed": ("Graine", "Seed"),
    "split_button": ("Découper", "Split"),
    "which_split": ("Parcourir", "Browse"),
    "part_train": ("entraînement", "train"),
    "part_validation": ("validation", "validation"),
    "part_test": ("test", "test"),
    "save_splits": ("Enregistrer les splits", "Save the splits"),
    "split_files": ("Fichiers (CSV et Parquet)", "Files (CSV and Parquet)"),
    "find_twins": ("Chercher les doublons", "Look for duplicates"),
    # kinds of retrievers, and what is searched
    "retrievers": ("Moteurs", "Retrievers"),
    "bm25": ("BM25", "BM25"),
    "full": ("E5 affiné", "Tuned E5"),
    "lora": ("LoRA", "LoRA"),
    "baseline": ("E5 de base", "E5 baseline"),
    "fusion": ("Fusion", "Fusion"),
    "rerank": ("Fusion reclassée", "Reranked fusion"),
    "corpus": ("Chercher dans", "Search in"),
    "corpus_test": ("le split de test", "the test split"),
    "corpus_all": ("tous les articles", "all articles"),
    "max_length": ("Tokens lus", "Tokens read"),
    "stop": ("Tout arrêter", "Stop all"),
    **compare_text.STATIC,
    **search_text.STATIC,
    **train_text.STATIC,
}

SPOKEN: dict[str, tuple[str, str]] = {
    "sample": ("Échantillon (fictif)", "Sample (fictional)"),
    "sample_note": (
        "Échantillon livré avec l’application : dépêches fictives, écrites pour elle.",
        "The sample that comes with the app: fictional news, written for it.",
    ),
    "file_note": (
        "{rows} lignes lues en {encoding}, séparateur « {delimiter} ».",
        "{rows} rows read as {encoding}, delimiter “{delimiter}”.",
    ),
    "bad_lines": (
        "Lignes illisibles, sautées : {count}.",
        "Unreadable lines, skipped: {count}.",
    ),
    "tabulation": ("tabulation", "tab"),
    "rule_kept": ("Paires : {count}", "Pairs: {count}"),
    "rule_missing": ("Sans titre ou article : {count}", "No title or article: {count}"),
    "rule_short_query": (
        "Titre de 10 caractères ou moins : {count}",
        "Title of 10 characters or fewer: {count}",
    ),
    "rule_short_passage": (
        "Article de 20 caractères ou moins : {count}",
        "Article of 20 characters or fewer: {count}",
    ),
    "unchanged": ("(aucune)", "(none)"),
    "page_of": ("{first}–{last} sur {total}", "{first}–{last} of {total}"),
    "no_rows": (
        "Rien ne correspond : élargissez la recherche ou videz les filtres.",
        "Nothing matches: widen the search or clear the filters.",
    ),
    "nothing_here": ("Rien à montrer ici.", "Nothing to show here."),
    "job_died": (
        "Le processus s’est arrêté sans un mot, faute de mémoire peut-être : relancez-le.",
        "The process stopped without a word, perhaps for lack of memory: start it again.",
    ),
    "bug": (
        "Une erreur de l’application, notée dans le journal du serveur. Rien n’a changé.",
        "An error of the application, noted in the server’s log. Nothing has changed.",
    ),
    "no_title": ("(sans titre)", "(no title)"),
    "no_article": ("(sans article)", "(no article)"),
    "row_number": ("ligne {row}", "row {row}"),
    "row_numbers": ("lignes {rows}", "rows {rows}"),
    "open_link": ("Lire à la source", "Read at the source"),
    "head_column": ("Colonne", "Column"),
    "head_filled": ("Remplies", "Filled"),
    "head_distinct": ("Distinctes", "Distinct"),
    "head_lengths": ("Caractères (min · médiane · max)", "Characters (min · median · max)"),
    "head_range": ("Étendue", "Range"),
    "field_query": ("Titre", "Title"),
    "field_passage": ("Article", "Article"),
    "field_date": ("Date", "Date"),
    "field_agency": ("Agence", "Agency"),
    "field_url": ("Lien", "Link"),
    "chart_query": ("Longueur des titres", "Length of titles"),
    "chart_passage": ("Longueur des articles", "Length of articles"),
    "axis_characters": ("caractères", "characters"),
    "repeats_found": (
        "Groupes : {count}. Articles identiques, presque identiques (Jaccard ≥ {jaccard} sur des "
        "suites de {words} mots), ou même titre pour des articles différents.",
        "Groups: {count}. Identical articles, nearly identical ones (Jaccard ≥ {jaccard} over runs "
        "of {words} words), or one title over different articles.",
    ),
    "repeats_shown": ("Les {shown} plus grands :", "The {shown} largest:"),
    "repeats_none": ("Aucun doublon.", "No duplicates."),
    "repeat_passage": ("même article", "same article"),
    "repeat_near": ("presque le même article", "nearly the same article"),
    "repeat_title": ("même titre, articles différents", "same title, different articles"),
    "twins_wanted": (
        "Les doublons de ce jeu n’ont pas encore été cherchés : comptez une minute pour 40 000 "
        "articles.",
        "This set’s duplicates have not been looked for yet: about a minute for 40,000 articles.",
    ),
    "twins_running": (
        "Les doublons sont en cours de recherche : la barre latérale dit où cela en est.",
        "Duplicates are being looked for: the sidebar says how far it is.",
    ),
    "leaks_grouped": (
        "Paires de validation et de test qui ont leur double dans l’entraînement : {leaks} ; sans "
        "groupement, {plain}. Il en évite {avoided}.",
        "Validation and test pairs that have a twin in train: {leaks}; without grouping, {plain}. "
        "It avoids {avoided}.",
    ),
    "leaks_notebook": (
        "Paires de validation et de test qui ont leur double dans l’entraînement : {leaks}. "
        "Chacune flatte les scores d’un modèle affiné.",
        "Validation and test pairs that have a twin in train: {leaks}. Each flatters a tuned "
        "model’s scores.",
    ),
    "thresholds": (
        "Doubles : même titre ou même article (sans accents, casse ni ponctuation), ou Jaccard "
        "≥ {jaccard} sur des suites de {words} mots.",
        "Twins: same title or same article (accents, case and punctuation aside), or Jaccard "
        "≥ {jaccard} over runs of {words} words.",
    ),
    "leak_examples": (
        "Exemples, avec le découpage du notebook :",
        "Examples, under the notebook’s split:",
    ),
    "leak_pair": (
        "{part} : « {left} » — entraînement : « {right} »",
        "{part}: “{left}” — train: “{right}”",
    ),
    "saved": (
        "Six fichiers prêts : les CSV ont les colonnes question,answer du notebook, les Parquet "
        "toutes, avec les identifiants.",
        "Six files ready: the CSVs have the notebook’s columns question,answer, the Parquet files "
        "all, with ids.",
    ),
    "seconds": ("{count} s", "{count} s"),
    "minutes": ("{count} min", "{count} min"),
    "hours": ("{count} h", "{count} h"),
    "left": ("encore {time}", "{time} left"),
    "weights_hub": ("poids originaux", "original weights"),
    "weights_local": ("dossier local", "local folder"),
    "weights_bundled-4bit": ("copie 4 bits", "4-bit copy"),
    "weights_tuned": ("affiné", "tuned"),
    "side_data": ("Données", "Data"),
    "side_model": ("Modèle", "Model"),
    "side_job": ("Tâche", "Job"),
    "side_storage": ("Espace utilisé", "Storage used"),
    "side_pairs": ("{pairs} paires sur {rows} lignes", "{pairs} pairs from {rows} rows"),
    "side_split": ("découpage {mode}, graine {seed}", "{mode} split, seed {seed}"),
    "mode_grouped": ("groupé", "grouped"),
    "mode_notebook": ("notebook", "notebook"),
    "model_starting": ("se charge…", "loading…"),
    "model_ready": ("prêt", "ready"),
    "backend_torch": ("calcul par torch, float32", "computed by torch, float32"),
    "backend_openvino": ("calcul par OpenVINO, float32", "computed by OpenVINO, float32"),
    "backend_openvino-bf16": ("calcul par OpenVINO, bf16", "computed by OpenVINO, bf16"),
    "no_job": ("Aucune tâche en cours.", "No job is running."),
    "state_waiting": ("en attente", "waiting"),
    "state_running": ("en cours", "running"),
    "state_done": ("terminée", "done"),
    "state_failed": ("échouée", "failed"),
    "state_cancelled": ("arrêtée", "stopped"),
    "state_stalled": ("sans nouvelles depuis cinq minutes", "silent for five minutes"),
    "stage_encode": ("encodage", "encoding"),
    "stage_train": ("entraînement", "training"),
    "stage_twins": ("doublons", "duplicates"),
    "job_evaluate": ("Évaluer {name}", "Evaluate {name}"),
    "job_encode": ("Encoder {name}", "Encode {name}"),
    "job_prepare": ("Doublons de {name}", "Duplicates of {name}"),
    "deleted": ("{name} est supprimé.", "{name} is deleted."),
    "megabytes": ("{count} Mo", "{count} MB"),
    **compare_text.SPOKEN,
    **search_text.SPOKEN,
    **train_text.SPOKEN,
}

FRENCH_ERRORS: dict[str, str] = {
    "FileMissing": "Il n’y a pas de fichier {path} : vérifiez le chemin.",
    "EmptyFile": "{name} est vide : choisissez un CSV avec un en-tête et au moins une ligne.",
    "NotACsv": "{name} n’est pas un CSV : {reason}. Enregistrez le tableau en CSV et réessayez.",
    "BinaryFile": (
        "{name} n’est pas un CSV : il contient des octets nuls, comme les images et les "
        "programmes. Enregistrez le tableau en CSV et réessayez."
    ),
    "MarkupFile": (
        "{name} n’est pas un CSV : il commence comme une page web ou du JSON. Enregistrez le "
        "tableau en CSV et réessayez."
    ),
    "LongRows": (
        "Les {count} lignes de {name} ont toutes plus de champs que l’en-tête : mettez entre "
        "guillemets les textes qui contiennent le séparateur."
    ),
    "OneColumn": (
        "{name} n’a qu’une colonne ({column}) : il en faut une pour le titre et une pour "
        "l’article. Si le fichier en a plusieurs, indiquez son séparateur."
    ),
    "MissingColumns": (
        "{name} n’a pas de colonne {wanted} ; il a : {found}. Choisissez les colonnes par leur nom."
    ),
    "BadDelimiter": (
        "Le séparateur {delimiter!r} n’est pas un caractère : prenez , ; | ou la tabulation."
    ),
    "UnknownEncoding": (
        "L’encodage {encoding} est inconnu : prenez utf-8, utf-8-sig, utf-16 ou cp1252."
    ),
    "UndecodableText": (
        "{name} ne se lit pas en {encoding} (octet {position}) : choisissez un autre encodage."
    ),
    "UnreadableGzip": (
        "{name} n’est pas un fichier gzip lisible ({reason}) : recompressez-le ou décompressez-le."
    ),
    "UnpacksTooLarge": "{name} décompressé dépasse {most} Go : donnez-en une partie.",
    "NoPairs": (
        "{name} ne donne aucune paire (lignes : {rows} ; sans titre ou article : {missing} ; trop "
        "courtes : {short}). Vérifiez les colonnes choisies : {query}, "
        "{passage}."
    ),
    "EmptySplit": (
        "Avec {pairs} paires et ces parts, la part « {split} » est vide : changez les parts, "
        "apportez plus de paires, ou prenez le découpage du notebook si toutes sont des doublons."
    ),
    "BadSetting": "Réglage refusé : {problems}",
    "NotAModel": (
        "{folder} n’est pas un modèle sentence-transformers ({reason}) : donnez un dossier avec "
        "config.json, un tokenizer et model.safetensors."
    ),
    "NoWeights": (
        "{model} n’est ni dans le cache local, ni sur le Hub (injoignable : {reason}), ni livré "
        "pour ce système. Connectez-vous une fois, ou donnez un dossier par E5DEMO_MODEL."
    ),
    "ModelFailed": (
        "Le modèle n’a pas pu être chargé ({reason}) : voyez le journal du serveur, puis relancez."
    ),
    "UnknownRetriever": "Il n’y a pas de moteur {retriever} : prenez {known}.",
    "BaseModelChanged": (
        "{experiment} est un adaptateur LoRA pour d’autres poids de base ({weights}) que ceux en "
        "service : remettez-les, ou affinez de nouveau."
    ),
    "TokensOfOtherBase": (
        "Les tokens de {experiment} ont été entraînés sur d’autres poids de base ({weights}) que "
        "ceux en service : prenez fusion:{experiment}, ou remettez-les."
    ),
    "UnknownPreset": "Il n’y a pas de préréglage {preset} : prenez {known}.",
    "TooFewPairs": (
        "{pairs} paires d’entraînement ne remplissent pas un lot de {batch_size} : prenez un lot "
        "plus petit ou apportez plus de paires."
    ),
    "NoRetriever": "Aucun moteur n’est choisi : cochez-en au moins un.",
    "OneExperiment": (
        "Une évaluation seule ne se compare à rien : nommez-en deux ; experiments list les nomme "
        "toutes."
    ),
    "TooDeep": (
        "{retriever} classe les {depth} premiers de chaque membre : prenez des seuils jusqu’à "
        "{depth}."
    ),
    "NotEncoded": (
        "{retriever} doit encore lire {passages} articles, environ {minutes} min : encodez "
        "d’abord le corpus (le bouton sous « Côte à côte », ou : encode)."
    ),
    "NoVectors": (
        "Ni {left} ni {right} n’a de vecteurs à dessiner : choisissez E5 ou un modèle affiné "
        "encore là, avec les poids mesurés."
    ),
    "NotTuned": (
        "Aucun des deux n’est un modèle affiné : choisissez-en un pour voir ce qu’il a oublié."
    ),
    "SameData": "Le modèle a été affiné sur {dataset} même : choisissez un autre jeu.",
    "NothingToAblate": (
        "{experiment} ne lit pas de préfixe et n’a pas de vecteurs : choisissez un moteur dense à "
        "comparer."
    ),
    "NotComparable": (
        "{left} et {right} n’ont pas été mesurées sur les mêmes données ({what}) : évaluez-les sur "
        "les mêmes."
    ),
    "TooManyQueries": "{count} requêtes à la fois, c’est trop : {most} au plus.",
    "NotText": (
        "{name} n’est pas du texte en UTF-8 : enregistrez-le ainsi, une requête par ligne."
    ),
    "NoVotes": "Il n’y a encore aucun vote : votez d’abord, puis exportez.",
    "NoPreference": (
        "Aucun vote sur ce jeu ne préfère encore un article à un autre : votez d’abord, ou "
        "décochez les votes."
    ),
    "OneRetriever": "Choisissez deux moteurs ci-dessus : les deux premiers sont comparés.",
    "TooManyRetrievers": ("{count} moteurs côte à côte, c’est trop : {most} au plus."),
    "FolderNotWritable": (
        "Impossible d’écrire dans {folder} ({reason}) : choisissez un autre dossier."
    ),
    "UnknownDataset": "Il n’y a pas de jeu {dataset} : rechargez son CSV.",
    "SplitRedrawn": (
        "L’expérience {experiment} a été mesurée sur un découpage qui a changé depuis : évaluez de "
        "nouveau."
    ),
    "UnknownExperiment": (
        "Il n’y a pas d’expérience {experiment} : évaluez d’abord, ou vérifiez l’identifiant."
    ),
    "EmptyQuery": "La requête est vide : tapez un titre ou quelques mots.",
    "KaggleMissing": (
        "Le fichier de Kaggle demande le paquet kagglehub : lancez « pip install kagglehub », ou "
        "téléchargez {dataset} à la main et ouvrez son CSV."
    ),
    "KaggleUnreachable": (
        "Kaggle n’a pas livré {dataset} ({reason}) : vérifiez la connexion, ou téléchargez-le à la "
        "main et ouvrez son CSV."
    ),
    "TwinsWanted": (
        "Les doublons de {dataset} n’ont pas encore été cherchés : lancez-en la recherche dans "
        "l’onglet Splits, ou cherchez dans tous les articles."
    ),
    "TrainingRuns": (
        "{experiment} est en cours d’entraînement : attendez sa fin, ou arrêtez-le d’abord."
    ),
    "AlreadyTrained": "{experiment} est entraîné jusqu’au bout : il n’y a rien à reprendre.",
    "ResumeAlone": (
        "--resume {experiment} garde les réglages et les données de son début : retirez {options}."
    ),
    "NotTriplets": (
        "{name} n’est pas un fichier de triplets, faute de colonne {missing} : donnez un CSV avec "
        "les colonnes query, positive et negative."
    ),
    "NoTriplets": (
        "{name} ne contient aucun triplet : remplissez query, positive et negative sur une ligne "
        "au moins, avec deux passages différents."
    ),
    "NoMethod": (
        "Dites quoi affiner et comment : train CSV --method full ou lora, ou train --resume ID."
    ),
    "NoExperiment": "Dites laquelle : experiments {action} ID ; experiments list les nomme toutes.",
    "BadName": "« {name} » n’est pas un nom : écrivez de 1 à {longest} caractères.",
    "UnreadableRecord": (
        "{path} est illisible et ne figure dans aucune liste ({reason}) : une autre version "
        "d’e5demo l’a écrit, ou il est abîmé. Utilisez cette version, ou déplacez son dossier."
    ),
    "NotATuned": "{name} n’est pas un modèle affiné exporté par e5demo : {reason}.",
    "BadDate": "{value} n’est pas une date AAAA-MM-JJ : corrigez-la ou videz le champ.",
}

# What pydantic finds wrong with a setting, by its name for the kind of error.
FRENCH_MISTAKES: dict[str, str] = {
    "extra_forbidden": "n’est pas un réglage connu",
    "finite_number": "doit être un nombre fini",
    "float_parsing": "doit être un nombre",
    "float_type": "doit être un nombre",
    "greater_than": "doit être plus grand que {gt:.10g}",
    "greater_than_equal": "doit être au moins {ge}",
    "int_from_float": "doit être un nombre entier",
    "int_parsing": "doit être un nombre entier",
    "int_parsing_size": "est un nombre trop grand",
    "int_type": "doit être un nombre entier",
    "less_than": "doit être plus petit que {lt:.10g}",
    "less_than_equal": "doit être au plus {le}",
    "needs_validations": "demande au moins une validation",
    "literal_error": "n’est pas un choix possible ({expected})",
    "too_short": "ne doit pas être vide",
    "tuple_type": "doit être une suite de nombres",
}


def say(language: str, key: str, **values: Any) -> str:
    """A server-side text with its values filled in."""
    return _typeset(SPOKEN[key], language).format(**values)


def label(language: str, key: str) -> str:
    """A label's text where the server needs it: in choices, tables and figures."""
    return _typeset(STATIC[key], language)


def explain(language: str, error: E5DemoError) -> str:
    """The error's sentence in the reader's language."""
    if _known(language) == "en":
        return str(error)
    values = error.values
    mistakes = values.get("mistakes")
    if isinstance(error, BadSetting) and isinstance(mistakes, list) and mistakes:
        problems = (
            f"{_setting(name)} = {_given(value)} {FRENCH_MISTAKES.get(kind, kind).format(**bounds)}"
            for name, value, kind, bounds in mistakes
        )
        values = {"problems": "\u00a0; ".join(problems)}
    return french(FRENCH_ERRORS[type(error).__name__]).format(**values)


def _given(value: Any) -> str:
    """A setting's value as a French reader writes it."""
    if value is None:
        return "vide"
    return str(value).replace(".", ",") if isinstance(value, float) else repr(value)


def _setting(name: str) -> str:
    """The label that the page gives a setting; 'cutoffs.0' is the first of the cutoffs."""
    name = name.split(".")[0]
    for key in ({"limit_queries": "limit"}.get(name, name), f"set_{name}"):
        if key in STATIC:
            return label("fr", key)
    return name


def decimal(language: str, number: float, places: int = 3) -> str:
    """0,966 or 0.966."""
    shown = f"{number:.{places}f}"
    return shown.replace(".", ",") if _known(language) == "fr" else shown


def between(language: str, low: str, high: str) -> str:
    """An interval: [0,819 ; 0,841] or [0.819, 0.841]."""
    apart = "\u00a0;\u00a0" if _known(language) == "fr" else ",\u00a0"
    return f"[{low}{apart}{high}]"


def duration(language: str, seconds: float) -> str:
    """In the unit that fits: '40 s', '12 min', '3 h'."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            return say(language, unit, count=round(seconds / size))
    return say(language, "seconds", count=max(1, round(seconds)))


def translations() -> dict[str, dict[str, str]]:
    """For `gradio.I18n`."""
    return {
        language: {key: _typeset(texts, language) for key, texts in STATIC.items()}
        for language in LANGUAGES
    }


def _typeset(texts: tuple[str, str], language: str) -> str:
    return french(texts[0]) if _known(language) == "fr" else texts[1]


def _known(language: str) -> Language:
    return "fr" if language == "fr" else "en"
