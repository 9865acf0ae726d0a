"""The comparison tab's words, in French and English; `text.py` looks them up with all others."""

STATIC: dict[str, tuple[str, str]] = {
    "compare_intro": (
        "Chaque titre de test cherche son article : quel moteur fait mieux, et est-ce sûr ?",
        "Each test headline looks for its article: which retriever does better, and is that sure?",
    ),
    "evaluate_fold": ("Mesurer un moteur", "Measure a retriever"),
    "evaluate_button": ("Évaluer", "Evaluate"),
    "limit": ("Requêtes", "Queries"),
    "all_queries": ("toutes", "all"),
    "cutoffs": ("Seuils k", "Cutoffs k"),
    "kept": ("Expériences comparées", "Experiments compared"),
    "ground": ("Mesuré sur", "Measured on"),
    "metric": ("Métrique", "Metric"),
    "left_experiment": ("Comparer", "Compare"),
    "right_experiment": ("à", "with"),
    "chart": ("Graphique", "Chart"),
    "chart_intervals": ("scores", "scores"),
    "chart_forest": ("différences", "differences"),
    "chart_recall": ("rappel à k", "recall at k"),
    "chart_ranks": ("rangs", "ranks"),
    "chart_scatter": ("requête par requête", "query by query"),
    "chart_cost": ("qualité et coût", "quality and cost"),
    "chart_loss": ("perte", "loss"),
    "chart_validation": ("validation", "validation"),
    "chart_html": ("Graphique en HTML", "Chart as HTML"),
    "tab_charts": ("Graphiques", "Charts"),
    "tab_slices": ("Tranches", "Slices"),
    "tab_checks": ("Contrôles des données", "Checks on the data"),
    "tab_evidence": ("Preuves", "Evidence"),
    "tab_ablations": ("Ablations", "Ablations"),
    "ablations": (
        "Mesurer encore le second moteur choisi, avec un seul changement ; le résultat rejoint le "
        "tableau (« tous les articles » : un autre corpus, montré à part).",
        "Measure the second retriever chosen once more, with a single change; the result joins the "
        "table (“all articles”: another corpus, shown apart).",
    ),
    "ablate_none": ("Sans préfixes", "Without prompts"),
    "ablate_swapped": ("Préfixes échangés", "Prompts swapped"),
    "ablate_64": ("64 tokens", "64 tokens"),
    "ablate_128": ("128 tokens", "128 tokens"),
    "ablate_192": ("192 tokens", "192 tokens"),
    "ablate_256": ("256 tokens", "256 tokens"),
    "ablate_512": ("512 tokens", "512 tokens"),
    "ablate_int8": ("Vecteurs int8", "int8 vectors"),
    "ablate_int8-128": ("128 dimensions, int8", "128 dimensions, int8"),
    "ablate_all": ("Tous les articles", "All articles"),
    "tab_forgetting": ("Oubli", "Forgetting"),
    "forgetting": (
        "Le modèle affiné trouve-t-il encore ce sur quoi il n’a pas été affiné ? Lui et E5 de "
        "base, sur presque tous les titres d’un second jeu : l’échantillon, ou un CSV que vous "
        "ouvrez (1 000 titres au plus).",
        "Does the tuned model still find what it was not tuned on? It and the E5 baseline, on "
        "nearly all titles of a second set: the sample, or a CSV that you open (1,000 titles at "
        "most).",
    ),
    "second_set": ("Second jeu de données", "Second data set"),
    "measure_both": ("Mesurer les deux", "Measure both"),
    "tab_map": ("Carte", "Map"),
    "map": (
        "Des articles et leurs titres, tels que les deux modèles les placent, sur un même plan. "
        "Survoler un point le montre des deux côtés ; cliquer cherche son titre.",
        "Articles and their headlines as the two models place them, in one plane. Pointing at one "
        "shows it on both sides; a click searches for its headline.",
    ),
    "map_colour": ("Couleurs", "Colours"),
    "colour_agency": ("par agence", "by agency"),
    "colour_cluster": ("par sujet", "by subject"),
    "colour_change": ("par rang gagné ou perdu", "by change of rank"),
    "map_method": ("Projection", "Projection"),
    "method_pca": ("ACP", "PCA"),
    "method_umap": ("UMAP", "UMAP"),
    "look": ("Calculer", "Compute"),
    "evidence": ("Tout emporter : le dossier de preuves", "Take it all: the evidence"),
    "evidence_button": ("Préparer le zip", "Prepare the zip"),
}

SPOKEN: dict[str, tuple[str, str]] = {
    "compare_empty": (
        "Aucune mesure encore sur ce jeu et ce découpage. Choisissez des moteurs, puis "
        "« Évaluer » : BM25 prend une seconde, E5 le temps d’encoder.",
        "No figures yet for this data set and split. Choose retrievers, then “Evaluate”: BM25 "
        "takes a second, E5 the time to encode.",
    ),
    "evaluation_queued": ("Lancé : {names}.", "Started: {names}."),
    "ground_name": (
        "{queries} requêtes, {passages} articles ({corpus}), k {cutoffs}",
        "{queries} queries, {passages} articles ({corpus}), k {cutoffs}",
    ),
    "says_better": (
        "{right} devance {left} : {metric} {mean} {interval}.",
        "{right} does better than {left}: {metric} {mean} {interval}.",
    ),
    "says_worse": (
        "{right} reste derrière {left} : {metric} {mean} {interval}.",
        "{right} does worse than {left}: {metric} {mean} {interval}.",
    ),
    "says_no_evidence": (
        "Rien ne prouve une différence entre {right} et {left} : {metric} {mean} {interval}.",
        "There is no evidence that {right} and {left} differ: {metric} {mean} {interval}.",
    ),
    "verdict_counts": (
        "Requêtes : {queries}, dont gagnées {wins}, perdues {losses}, égales {ties}. "
        "p {p}{corrected}.",
        "Queries: {queries}, of which {wins} won, {losses} lost, {ties} level. p {p}{corrected}.",
    ),
    "verdict_corrected": (
        " ; corrigé pour {pairs} comparaisons : p {p}",
        "; corrected for {pairs} comparisons: p {p}",
    ),
    "verdict_needed": (
        "Un écart de cette taille se voit avec 80 % de chances à partir d’environ {needed} "
        "requêtes (à 5 %, pour une seule comparaison).",
        "A difference of this size is seen with a chance of 80% from about {needed} queries on "
        "(at 5%, for a single comparison).",
    ),
    "below": ("< {value}", "< {value}"),
    "slices_intro": (
        "{left} et {right}, {metric}, par sous-ensemble des requêtes ; p corrigé pour toutes les "
        "tranches testées. D’abord celles dont le verdict n’est pas celui de l’ensemble. « Rien de "
        "sûr » dans une petite tranche peut vouloir dire trop peu de requêtes. Le "
        "recouvrement de mots favorise BM25 par construction ; « vu » compare le titre au plus "
        "proche de l’entraînement.",
        "{left} and {right}, {metric}, by subset of the queries; p corrected for all slices "
        "tested. First those whose verdict is not that of the whole. “Nothing sure” in a small "
        "slice may mean too few queries. Word overlap favours BM25 by construction; "
        "“seen” compares a title with the nearest one of train.",
    ),
    "slices_none": (
        "Aucune tranche : chaque critère met toutes les requêtes ensemble.",
        "No slice: each criterion puts all queries together.",
    ),
    "slice_name": ("{feature} : {label}", "{feature}: {label}"),
    "feature_agency": ("agence", "agency"),
    "feature_year": ("année", "year"),
    "feature_title_length": ("mots du titre", "words in the title"),
    "feature_overlap": ("mots du titre dans l’article", "title’s words in the article"),
    "feature_seen": ("sujet vu à l’entraînement", "subject seen in training"),
    "label_none": ("aucun", "none"),
    "label_missing": ("non indiquée", "not given"),
    "label_other": ("autres", "others"),
    "label_under_half": ("moins de la moitié", "under half"),
    "label_half_or_more": ("la moitié ou plus", "half or more"),
    "label_all": ("tous", "all"),
    "label_far": ("loin", "far"),
    "label_middle": ("entre les deux", "between"),
    "label_near": ("proche", "near"),
    "head_slice": ("Tranche", "Slice"),
    "head_queries": ("Requêtes", "Queries"),
    "short_too_few": ("trop peu", "too few"),
    "check_exact_leaks": (
        "Requêtes dont le titre ou l’article est aussi dans l’entraînement, à la casse, aux "
        "accents et à la ponctuation près : {count} sur {queries} ({share} %).",
        "Queries of which the title or the article is in train too, whatever the case, accents and "
        "punctuation: {count} of {queries} ({share}%).",
    ),
    "check_near_leaks": (
        "Autres requêtes dont l’article y a un quasi-double : {count} ({share} %).",
        "Other queries whose article has a near duplicate there: {count} ({share}%).",
    ),
    "check_repeated": (
        "Requêtes dont l’article est répété dans le corpus : {count} sur {queries} ({share} %) ; "
        "trouver l’une ou l’autre copie compte.",
        "Queries of which the article is repeated in the corpus: {count} of {queries} ({share}%); "
        "finding either copy counts.",
    ),
    "check_several": (
        "Requêtes dont le titre a plusieurs bons articles : {count} sur {queries} ({share} %).",
        "Queries whose title has several right articles: {count} of {queries} ({share}%).",
    ),
    "check_verbatim": (
        "Requêtes qui se lisent mot pour mot dans leur article : {count} sur {queries} "
        "({share} %).",
        "Queries that stand word for word in their article: {count} of {queries} ({share}%).",
    ),
    "check_twins": (
        "Si un quasi-double de l’article visé comptait comme juste (le rappel et le nDCG peuvent "
        "baisser, car un double non trouvé manque alors) :",
        "If a near duplicate of the article sought counted as right (recall and nDCG may fall, as "
        "a twin not found is then missed):",
    ),
    "check_copies": (
        "Si chaque ligne était un article à part, comme dans le notebook d’origine, et que la "
        "copie d’un article répété ne compte pas comme juste :",
        "If each row were an article of its own, as in the original notebook, and the copy of a "
        "repeated article did not count as right:",
    ),
    "head_all": ("Toutes", "All"),
    "head_without": ("Sans elles", "Without them"),
    "head_outranked": ("Devancés par un double", "Outranked by a twin"),
    "head_strict": ("Tel quel", "As it is"),
    "head_lenient": ("Doubles admis", "Twins allowed"),
    "head_apart": ("Copies à part", "Copies apart"),
    "caution_elsewhere": (
        "{name} a été affiné sur un autre découpage ou d’autres données : il a pu voir ces titres.",
        "{name} was tuned on another split or other data: it may have seen these headlines.",
    ),
    "caution_reading": (
        "Les deux n’ont pas lu autant de tokens, ou pas calculé dans la même précision : une part "
        "de l’écart peut en venir.",
        "The two did not read as many tokens, or did not compute in the same precision: part of "
        "the difference may come from that.",
    ),
    "caution_few": (
        "{queries} requêtes, c’est peu : seul un grand écart se verrait.",
        "{queries} queries are few: only a large difference would show.",
    ),
    "point_otherwise": (
        "Mesuré avec d’autres réglages que ceux de la recherche, qui donnerait d’autres rangs.",
        "Measured with other settings than the search’s, which would give other ranks.",
    ),
    "already_so": (
        "Cette mesure de {name} existe déjà.",
        "This measurement of {name} is there already.",
    ),
    "one_experiment": (
        "Une expérience seule ne se compare à rien : mesurez un autre moteur.",
        "One experiment alone compares with nothing: measure another retriever.",
    ),
    "head_retriever": ("Moteur", "Retriever"),
    "head_settings": ("Poids · tokens", "Weights · tokens"),
    "head_seconds": ("Durée", "Time"),
    "head_metric": ("Métrique", "Metric"),
    "head_difference": ("Différence", "Difference"),
    "head_interval": ("Intervalle à 95 %", "95% interval"),
    "head_corrected": ("p corrigé", "p corrected"),
    "head_counts": ("+ / = / −", "+ / = / −"),
    "head_verdict": ("Verdict", "Verdict"),
    "head_training": ("Entraînement", "Training"),
    "head_disk": ("Disque", "Disk"),
    "head_encoding": ("Passages/s", "Passages/s"),
    "head_query_time": ("ms par requête", "ms a query"),
    "head_why": ("Pourquoi à part", "Why apart"),
    "short_better": ("mieux", "better"),
    "short_worse": ("moins bien", "worse"),
    "short_no_evidence": ("rien de sûr", "nothing sure"),
    "short_hub": ("originaux", "original"),
    "short_local": ("locaux", "local"),
    "short_bundled-4bit": ("4 bits", "4-bit"),
    "short_tuned": ("affinés", "tuned"),
    "ablation_queued": ("{name} : la mesure est lancée.", "{name}: the measurement has started."),
    "ablated_none": ("sans préfixes", "without prompts"),
    "ablated_int8": ("int8", "int8"),
    "ablated_int8-128": ("128 dimensions int8", "128 dimensions int8"),
    "ablated_outdated": ("méthode antérieure", "earlier method"),
    "ablated_swapped": ("préfixes échangés", "prompts swapped"),
    "forgetting_none": (
        "Comparez un modèle affiné ci-dessus pour voir ce qu’il a oublié.",
        "Compare a tuned model above to see what it has forgotten.",
    ),
    "forgetting_same": (
        "Ce modèle a été affiné sur ce jeu même : choisissez-en un autre.",
        "This model was tuned on this very set: choose another one.",
    ),
    "forgetting_unmeasured": (
        "Pas encore mesuré sur ce jeu.",
        "Not measured on this set yet.",
    ),
    "map_title": (
        "{shown} articles sur {total} ; étoiles : {queries} titres, ceux dont le rang change le "
        "plus",
        "{shown} of {total} articles; stars: {queries} headlines, those whose rank changes most",
    ),
    "map_share": (
        "Le plan garde {share} % de la variance : deux points voisins ici peuvent être loin pour "
        "le modèle.",
        "The plane keeps {share}% of the variance: two points that are near here may be far apart "
        "for the model.",
    ),
    "map_neighbours": (
        "UMAP garde les voisins, pas les distances.",
        "UMAP keeps neighbours, not distances.",
    ),
    "map_no_umap": (
        "UMAP s’ajoute par : pip install umap-learn.",
        "UMAP can be added by: pip install umap-learn.",
    ),
    "map_one": (
        "{name} n’a pas de vecteurs propres à dessiner ici : un seul côté.",
        "{name} has no vectors of its own to draw here: one side only.",
    ),
    "map_queries": ("titre cherché", "title searched for"),
    "map_rest": ("autres", "others"),
    "map_gained": ("rang gagné", "rank gained"),
    "map_lost": ("rang perdu", "rank lost"),
    "map_same": ("rang égal", "same rank"),
    "map_unasked": ("non cherché", "not searched for"),
    "costs": ("Ce que chacun coûte", "What each costs"),
    "apart": (
        "À part, car non comparables : {count}",
        "Apart, as they don’t compare: {count}",
    ),
    "left_out": (
        "Laissés de côté, sauf à les choisir, car leur méthode de classement a changé depuis : "
        "{names}. Les mesurer de nouveau permet de les comparer.",
        "Left out unless chosen, as their way of ranking has changed since: {names}. Measure them "
        "again to compare them.",
    ),
    "apart_data": ("autres données", "other data"),
    "apart_corpus": ("autre corpus", "another corpus"),
    "apart_split": ("autre découpage", "another split"),
    "apart_cutoffs": ("autres seuils k", "other cutoffs k"),
    "apart_queries": ("autres requêtes", "other queries"),
    "chart_metrics": ("Scores moyens et intervalles à 95 %", "Mean scores and 95% intervals"),
    "chart_differences": (
        "Différences et intervalles à 95 % (cercle vide : rien de sûr)",
        "Differences and 95% intervals (hollow: nothing sure)",
    ),
    "chart_recall_title": ("Rappel moyen aux k premiers rangs", "Mean recall at the first k ranks"),
    "chart_ranks_title": ("Rang de l’article visé", "Rank of the article sought"),
    "chart_scatter_title": (
        "Rang de l’article visé ; sous la diagonale, le second fait mieux ; cliquer ouvre",
        "Rank of the article sought; below the diagonal the second does better; a click opens",
    ),
    "chart_cost_title": ("Qualité et temps par requête", "Quality and time per query"),
    "axis_k": ("k", "k"),
    "axis_rank": ("rang", "rank"),
    "axis_query_time": ("ms par requête", "ms a query"),
    "chart_nothing": (
        "Rien à tracer ici : il faut {what}.",
        "Nothing to draw here: it takes {what}.",
    ),
    "two_experiments": ("deux expériences", "two experiments"),
    "timed_queries": ("des mesures de temps : évaluez encore", "timed queries: evaluate again"),
    "a_training": ("un modèle affiné", "a tuned model"),
    "a_validation": (
        "un modèle affiné qui a été validé en chemin (préréglage « Soigné »)",
        "a tuned model that was validated on the way (preset “best”)",
    ),
}
