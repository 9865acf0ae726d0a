"""The search tab's words, in French and English; `text.py` looks them up with all others."""

STATIC: dict[str, tuple[str, str]] = {
    "search_intro": (
        "La même question à plusieurs moteurs : ce que l’un trouve et l’autre non.",
        "The same question to several retrievers: what one finds and another does not.",
    ),
    "query_hint": ("Un titre, ou quelques mots", "A headline, or a few words"),
    "search_empty": (
        "Tapez une requête, ou essayez un de ces exemples.",
        "Type a query, or try one of these examples.",
    ),
    "search_button": ("Chercher", "Search"),
    "columns": (
        "Moteurs, de gauche à droite (quatre au plus)",
        "Retrievers, from left to right (four at most)",
    ),
    "hits": ("Résultats (50 au plus)", "Results (50 at most)"),
    "encode_button": ("Encoder ce corpus", "Encode this corpus"),
    "copy_link": ("Copier le lien", "Copy the link"),
    "filters": ("Filtres : agence, dates", "Filters: agency, dates"),
    "tab_side": ("Côte à côte", "Side by side"),
    "tab_contrasts": ("Où regarder", "Where to look"),
    "tab_vote": ("Vote à l’aveugle", "Blind vote"),
    "tab_batch": ("Par lots", "Batch"),
    # where to look
    "contrast": ("Requêtes de test", "Test queries"),
    "contrast_differ": ("les plus différentes", "most different"),
    "contrast_gains": ("plus grands gains", "biggest gains"),
    "contrast_losses": ("plus grandes pertes", "biggest losses"),
    "contrast_wrong": ("ratées des deux côtés", "both wrong"),
    "random_query": ("Une au hasard", "A random one"),
    "measure_ranks": ("Mesurer les rangs manquants", "Measure the missing ranks"),
    "find_title": ("Mots du titre", "Words in the title"),
    # blind vote
    "vote_from": ("Requêtes", "Queries"),
    "vote_test": ("du split de test", "from the test split"),
    "vote_train": ("du split d’entraînement", "from the train split"),
    "vote_typed": ("la mienne, ci-dessus", "my own, above"),
    "vote_next": ("Requête suivante", "Next query"),
    "vote_left": ("Gauche", "Left"),
    "vote_right": ("Droite", "Right"),
    "vote_tie": ("Aussi bonnes l’une que l’autre", "Equally good"),
    "vote_bad": ("Aucune des deux", "Both bad"),
    "vote_use": (
        "Les triplets (requête, article préféré, l’autre) peuvent entraîner E5 : cochez « Ajouter "
        "mes votes à l’aveugle » dans ses réglages. Ceux qui touchent la validation ou le test "
        "en sont écartés ; tirez les requêtes du split d’entraînement, ou tapez les vôtres, et "
        "cherchez dans tous les articles.",
        "The triplets (query, preferred article, the other one) can train E5: tick “Add my blind "
        "votes” in its settings. Those of validation or test are left out; draw queries from the "
        "train split, or type your own, and search in all articles.",
    ),
    "vote_export": ("Exporter les votes", "Export the votes"),
    "vote_files": ("Votes et triplets (CSV)", "Votes and triplets (CSV)"),
    # batch
    "batch_queries": (
        "Requêtes, une par ligne (1 000 au plus)",
        "Queries, one a line (1,000 at most)",
    ),
    "batch_upload": ("Ouvrir un fichier texte", "Open a text file"),
    "batch_button": ("Tout chercher", "Search all"),
    "batch_stop": ("Arrêter", "Stop"),
    "batch_file": ("Résultats (CSV)", "Results (CSV)"),
}

SPOKEN: dict[str, tuple[str, str]] = {
    "searching": ("Recherche en cours…", "Searching…"),
    "model_loading": ("E5 se charge…", "E5 is loading…"),
    "no_hits": (
        "Rien : aucun mot en commun avec un article, ou les filtres les écartent tous.",
        "Nothing: no word in common with any article, or the filters leave none.",
    ),
    "took_both": (
        "encodage {encode} ms, recherche {search} ms",
        "encoding {encode} ms, search {search} ms",
    ),
    "approximate": (
        "approchée : {recall} % des 10 premiers exacts",
        "approximate: {recall}% of the exact first 10",
    ),
    "took_search": ("recherche {search} ms", "search {search} ms"),
    "reference": ("colonne de référence", "the column compared with"),
    "agreement": ("recouvrement {overlap} · RBO {rbo}", "overlap {overlap} · RBO {rbo}"),
    "agreement_help": (
        "Avec la première colonne, sur {k} rangs, de 0 à 1 ; le RBO compte plus les premiers.",
        "With the first column, over {k} ranks, from 0 to 1; RBO weighs the first ones more.",
    ),
    "gold": ("article visé", "article sought"),
    "gold_at": ("Article visé : rang {rank}.", "Article sought: rank {rank}."),
    "gold_beyond": (
        "Article visé : au-delà du rang {depth}.",
        "Article sought: beyond rank {depth}.",
    ),
    "gold_moves": (
        "L’article visé passe du rang {left} au rang {right}.",
        "The article sought moves from rank {left} to {right}.",
    ),
    "gold_stays": (
        "L’article visé reste au rang {left}.",
        "The article sought stays at rank {left}.",
    ),
    "gold_found": (
        "L’article visé, perdu à gauche, est au rang {rank} à droite.",
        "The article sought, lost on the left, is at rank {rank} on the right.",
    ),
    "gold_lost": (
        "L’article visé, au rang {rank} à gauche, est perdu à droite.",
        "The article sought, at rank {rank} on the left, is lost on the right.",
    ),
    "gold_nowhere": (
        "L’article visé n’est trouvé d’aucun côté.",
        "The article sought is found on neither side.",
    ),
    "gold_filtered": (
        "L’article visé est écarté par les filtres.",
        "The filters leave the article sought out.",
    ),
    "gold_ranks": ("Rang de l’article visé : {ranks}.", "Rank of the article sought: {ranks}."),
    "in_common": ("Résultats en commun : {count} sur {k}.", "Results in common: {count} of {k}."),
    "in_common_of_all": (
        "Résultats communs à toutes les colonnes : {count} sur {k}.",
        "Results common to all columns: {count} of {k}.",
    ),
    "moves_title": ("Qui monte, qui descend", "What moves up, what moves down"),
    "moves_key": (
        "Trait vert : monte ; tirets : descend ; gris fin : ne bouge pas ; rond vide : absent de "
        "la colonne voisine ; trait épais : l’article visé.",
        "Green line: up; dashes: down; thin grey: stays; hollow dot: not in the neighbouring "
        "column; thick line: the article sought.",
    ),
    "move_same": ("=", "="),
    "move_up": ("▲ {steps}", "▲ {steps}"),
    "move_down": ("▼ {steps}", "▼ {steps}"),
    "move_new": ("nouveau", "new"),
    "move_new_from": (
        "nouveau (rang {rank} en 1re colonne)",
        "new (rank {rank} in the 1st column)",
    ),
    "move_gone": ("absent à droite", "gone on the right"),
    "move_gone_everywhere": ("absent ailleurs", "gone everywhere else"),
    "move_gone_from": ("absent de : {names}", "gone from: {names}"),
    "margin": ("{margin} devant le suivant", "{margin} ahead of the next"),
    "margin_none": ("à égalité avec le suivant", "level with the next"),
    "why": ("Pourquoi ce résultat ?", "Why this result?"),
    "to_encode": (
        "Ce modèle n’a pas encore lu ce corpus : {count} articles à encoder, environ {time}. BM25 "
        "répond tout de suite.",
        "This model has not read this corpus yet: {count} articles to encode, about {time}. BM25 "
        "answers at once.",
    ),
    "encoding_queued": ("L’encodage est lancé.", "Encoding has started."),
    "link_elsewhere": (
        "Ce lien a été copié d’un autre jeu de données ({dataset}) : ses réponses seront autres.",
        "This link was copied from another data set ({dataset}): its answers will be others.",
    ),
    "link_copied": ("Lien copié.", "Link copied."),
    # where to look
    "contrast_intro": (
        "Rang de l’article visé chez {left} et chez {right}. Un clic ouvre la requête côte à côte.",
        "Rank of the article sought, in {left} and in {right}. A click opens the query side by "
        "side.",
    ),
    "contrast_missing": (
        "{names} : rangs pas encore mesurés sur ce corpus. Il faut chercher l’article visé de "
        "chaque requête de test.",
        "No measurement of {names} on this corpus yet: the rank of the article sought is to be "
        "looked for, for each test query.",
    ),
    "contrast_queued": ("La mesure est lancée.", "The measurement has started."),
    "contrast_filters": (
        "Ces rangs sont ceux d’une recherche sans filtre.",
        "These ranks are those of a search without filters.",
    ),
    "contrast_none": ("Aucune requête de ce genre.", "No query of that kind."),
    "contrast_counts": (
        "Requêtes : {queries}, dont en gain {gains}, en perte {losses}, sans changement {same}.",
        "Queries: {queries}, of which better {gains}, worse {losses}, unchanged {same}.",
    ),
    "beyond": ("> {depth}", "> {depth}"),
    "head_query": ("Requête", "Query"),
    "head_rank": ("Rang", "Rank"),
    "head_title": ("Titre trouvé", "Title found"),
    # why
    "why_title": ("Pourquoi « {title} » chez {name} ?", "Why “{title}” by {name}?"),
    "why_aid": (
        "Une aide pour l’œil, pas une preuve : le classement vient des vecteurs entiers.",
        "An aid to the eye, not a proof: the ranking comes from whole vectors.",
    ),
    "why_heat": (
        "Plus un mot est marqué, plus sa part de la similarité dépasse sa part habituelle ; "
        "souligné : elle est en dessous.",
        "The more a word is marked, the more its part of the similarity exceeds its usual part; "
        "underlined: it falls below.",
    ),
    "why_pooling": (
        "Ce modèle ne fait pas la moyenne de ses tokens : on ne peut donc pas isoler la part de "
        "chaque mot.",
        "This model does not average its tokens: its words cannot be told apart.",
    ),
    "why_terms": (
        "BM25 additionne les scores des mots en commun, comptés deux fois au début de l’article :",
        "BM25 adds up the scores of the words in common, counted twice where the article begins:",
    ),
    "why_no_terms": ("Aucun mot en commun.", "No word in common."),
    "why_fusion": (
        "La fusion additionne les scores ramenés à la même moyenne et au même écart type, ceux de "
        "BM25 multipliés par {weight} ; rangs : {parts}.",
        "Fusion adds up the scores brought to the same mean and spread, BM25’s times {weight}; "
        "ranks: {parts}.",
    ),
    "why_rerank": (
        "Puis ceux de ses {count} premiers dont le score est proche de celui du premier sont "
        "reclassés : chaque mot de la requête cherche dans l’article le mot qui lui est le plus "
        "proche, tels qu’E5 les lit.",
        "Then those of its first {count} whose score is near the first one’s are ranked anew: each "
        "word of the query looks for the word nearest to it in the article, as E5 reads both.",
    ),
    "why_query": ("Requête", "Query"),
    "why_passage": ("Article", "Article"),
    "close": ("Fermer", "Close"),
    # blind vote
    "vote_intro": (
        "Deux réponses sans nom, dans un ordre tiré au sort : {left} et {right}. Laquelle répond "
        "le mieux ?",
        "Two answers without names, in a drawn order: {left} and {right}. Which answers better?",
    ),
    "vote_score": (
        "Préférence pour {right} : {share} % des votes tranchés (intervalle à 95 % : {low} à "
        "{high} %). Tranchés : {decided} ; égalités : {ties} ; aucune des deux : {bad}.",
        "Preference for {right}: {share}% of the decided votes (95% interval: {low} to {high}%). "
        "Decided: {decided}; ties: {ties}; both bad: {bad}.",
    ),
    "vote_no_score": (
        "Aucun vote tranché pour l’instant entre ces deux moteurs. Égalités : {ties} ; aucune des "
        "deux : {bad}.",
        "No decided vote between these two yet. Ties: {ties}; both bad: {bad}.",
    ),
    "vote_start": (
        "« Requête suivante » tire une requête pour laquelle les deux classements diffèrent, ou "
        "prend la vôtre.",
        "“Next query” draws one on which the two rankings differ, or takes your own.",
    ),
    "vote_counted": (
        "Vote compté. Tapez une autre requête, puis « Requête suivante ».",
        "Vote counted. Type another query, then “Next query”.",
    ),
    "vote_agree": (
        "Les deux classements sont les mêmes pour cette requête : rien à départager.",
        "Both rankings are the same for this query: nothing to decide.",
    ),
    "vote_all_agree": (
        "Sur {count} requêtes tirées, les deux classements sont les mêmes.",
        "On {count} queries drawn, both rankings are the same.",
    ),
    # batch
    "batch_stopped": ("Recherche arrêtée.", "The search was stopped."),
    "batch_done": (
        "Requêtes : {queries} ; lignes : {rows}. Les premières :",
        "Queries: {queries}; rows: {rows}. The first ones:",
    ),
}
