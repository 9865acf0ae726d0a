"""The training tab's words, in French and English; `text.py` looks them up with all others."""

STATIC: dict[str, tuple[str, str]] = {
    "train_intro": (
        "E5 apprend de vos paires d’entraînement, puis repasse le même test qu’avant.",
        "E5 learns from your train pairs, then takes the same test as before.",
    ),
    "method": ("Méthode", "Method"),
    "method_full": ("Complet : tous les poids", "Full: all weights"),
    "method_lora": ("LoRA : un petit adaptateur", "LoRA: a small adapter"),
    "preset": ("Préréglage", "Preset"),
    "preset_quick": ("Rapide", "Quick"),
    "preset_notebook": ("Notebook", "Notebook"),
    "preset_best": ("Soigné", "Best"),
    "measure_button": ("Chronométrer ici", "Time it here"),
    "train_button": ("Affiner", "Tune"),
    "settings": ("Réglages", "Settings"),
    "command": ("Commande et fichier de réglages", "Command and settings file"),
    "group_time": ("##### Durée et données", "##### Time and data"),
    "group_batches": ("##### Lots et textes", "##### Batches and texts"),
    "group_learning": ("##### Apprentissage", "##### Learning"),
    "group_negatives": ("##### Négatifs difficiles", "##### Hard negatives"),
    "group_validation": ("##### Validation en route", "##### Validation on the way"),
    "group_lora": ("##### LoRA (sans effet en mode complet)", "##### LoRA (unused by full)"),
    "group_evaluation": ("##### Évaluation, avant et après", "##### Evaluation, before and after"),
    "add_votes": ("Ajouter mes votes à l’aveugle", "Add my blind votes"),
    "help_add_votes": (
        "Leurs triplets s’ajoutent aux paires, sauf ceux qui touchent la validation ou le test ; "
        "chaque paire reçoit alors un négatif difficile.",
        "Their triplets join the pairs, save those that touch validation or test; each pair then "
        "gets a hard negative.",
    ),
    "set_max_minutes": ("Minutes d’entraînement", "Minutes of training"),
    "help_max_minutes": (
        "Autant de pas que ce temps en permet ici ; 0 : sans limite.",
        "As many steps as this time allows here; 0: no limit.",
    ),
    "set_rerank_minutes": ("Minutes pour le reclassement", "Minutes for reranking"),
    "help_rerank_minutes": (
        "En plus, dès 32 paires : un adaptateur apprend aux tokens d’E5 à reclasser la fusion, en "
        "une époque au plus ; 0 : non.",
        "On top, from 32 pairs on: an adapter teaches E5’s tokens to rerank the fusion, for an "
        "epoch at most; 0: off.",
    ),
    "set_epochs": ("Époques", "Epochs"),
    "help_epochs": (
        "Parcours de toutes les paires ; un seul suffit d’ordinaire.",
        "Passes over all pairs; one is usually enough.",
    ),
    "set_max_pairs": ("Paires au plus", "Pairs at most"),
    "help_max_pairs": (
        "Tirées au sort dans le split d’entraînement ; 0 : toutes.",
        "Drawn from the train split; 0: all of them.",
    ),
    "set_seed": ("Graine", "Seed"),
    "help_seed": (
        "À nombre de pas égal et sur la même machine, la même graine donne les mêmes poids.",
        "For as many steps on the same machine, the same seed gives the same weights.",
    ),
    "set_batch_size": ("Paires par lot", "Pairs a batch"),
    "help_batch_size": (
        "Chaque titre choisit entre les articles de son lot : autant de négatifs, moins un, et les "
        "négatifs difficiles en plus.",
        "Each title chooses among its batch’s articles: as many negatives, less one, and the hard "
        "negatives besides.",
    ),
    "set_max_length": ("Tokens lus par texte", "Tokens read of a text"),
    "help_max_length": (
        "Le temps d’un pas croît avec eux ; E5 en lit au plus 512.",
        "A step’s time grows with them; E5 reads at most 512.",
    ),
    "set_cached": ("Perte par morceaux", "Loss in chunks"),
    "help_cached": (
        "Les mêmes gradients en moins de mémoire, pour un tiers de temps en plus.",
        "The same gradients in less memory, for a third more time.",
    ),
    "set_mini_batch": ("Textes par morceau", "Texts a chunk"),
    "help_mini_batch": (
        "Avec la perte par morceaux, la mémoire suit ce nombre, pas la taille du lot.",
        "With the loss in chunks, memory follows this number, not the batch.",
    ),
    "set_no_duplicates": ("Jamais deux fois le même texte dans un lot", "No text twice in a batch"),
    "help_no_duplicates": (
        "Un article répété serait un faux négatif de son propre titre.",
        "A repeated article would be a false negative of its own title.",
    ),
    "set_scale": ("Échelle", "Scale"),
    "help_scale": (
        "Multiplie les cosinus dans la perte : 20 dans le notebook, 100 pour E5 à l’origine.",
        "Multiplies the cosines in the loss: 20 in the notebook, 100 in E5’s own training.",
    ),
    "set_matryoshka": ("Dimensions du vecteur court", "Dimensions of the short vector"),
    "help_matryoshka": (
        "Une projection à autant de dimensions apprend à classer comme le vecteur entier, pour un "
        "index plus petit ; l’ablation « 128 dimensions » en veut 128 ; 0 : non.",
        "A projection to so many dimensions learns to rank as the whole vector does, for a "
        "smaller index; the ablation “128 dimensions” wants 128; 0: off.",
    ),
    "set_learning_rate": ("Taux d’apprentissage", "Learning rate"),
    "help_learning_rate": (
        "2e-5 pour tous les poids ; LoRA demande plus, autour de 1e-3.",
        "2e-5 for all weights; LoRA wants more, around 1e-3.",
    ),
    "set_weight_decay": ("Décroissance des poids", "Weight decay"),
    "help_weight_decay": ("Celle d’AdamW.", "AdamW’s."),
    "set_max_grad_norm": ("Norme maximale du gradient", "Largest gradient norm"),
    "help_max_grad_norm": (
        "Un gradient plus long est raccourci.",
        "A longer gradient is shortened.",
    ),
    "set_warmup_share": ("Part d’échauffement", "Warm-up share"),
    "help_warmup_share": (
        "Le taux monte d’abord de zéro pendant cette part des pas, puis redescend.",
        "The rate first climbs from zero for this share of the steps, then goes down.",
    ),
    "set_freeze_embeddings": ("Geler les plongements de mots", "Freeze word embeddings"),
    "help_freeze_embeddings": (
        "96 des 118 millions de poids restent tels quels : plus rapide, moins de mémoire.",
        "96 of the 118 million weights stay as they are: faster, less memory.",
    ),
    "set_dropout": ("Part éteinte (dropout)", "Dropout"),
    "help_dropout": (
        "0,1 dans la recette ; à 0 un pas prend un tiers de temps en moins.",
        "0.1 in the recipe; at 0 a step takes a third less time.",
    ),
    "set_bf16": ("Calculer en bf16", "Compute in bf16"),
    "help_bf16": (
        "Là où le processeur sait le faire ; un pas y prend un quart de temps en moins.",
        "Where the processor can; there a step takes a quarter less time.",
    ),
    "set_hard_negatives": ("Négatifs difficiles par paire", "Hard negatives a pair"),
    "help_hard_negatives": (
        "Des articles proches mais faux, cherchés dans le seul split d’entraînement ; 0 : aucun.",
        "Close but wrong articles, mined in the train split alone; 0: none.",
    ),
    "set_negatives_from": ("Cherchés par", "Mined by"),
    "help_negatives_from": (
        "BM25 est immédiat ; E5 doit d’abord lire le split d’entraînement.",
        "BM25 is immediate; E5 first has to read the train split.",
    ),
    "set_negative_margin": ("Marge des faux négatifs", "False negatives’ margin"),
    "help_negative_margin": (
        "Un article qui atteint le score du bon, moins cette part, est écarté : peut-être bon.",
        "An article that reaches the right one’s score, less this share, is left out: maybe right.",
    ),
    "set_validations": ("Validations", "Validations"),
    "help_validations": (
        "Mesures de ndcg@10 réparties sur l’entraînement ; 0 : aucune.",
        "Measurements of ndcg@10 spread over the training; 0: none.",
    ),
    "set_validation_queries": ("Requêtes de validation", "Validation queries"),
    "help_validation_queries": (
        "Tirées du split de validation ; chacune coûte la lecture d’un article.",
        "Drawn from the validation split; each costs the reading of one article.",
    ),
    "set_patience": ("Patience", "Patience"),
    "help_patience": (
        "Après autant de validations sans gain on s’arrête et garde les meilleurs poids ; 0 : non.",
        "After as many validations without a gain it ends and the best weights stay; 0: off.",
    ),
    "set_lora_rank": ("Rang", "Rank"),
    "help_lora_rank": (
        "La taille de l’adaptateur : 16 donne 1,2 Mo.",
        "The adapter’s size: 16 makes 1.2 MB.",
    ),
    "set_lora_alpha": ("Alpha", "Alpha"),
    "help_lora_alpha": (
        "L’adaptateur compte alpha / rang fois.",
        "The adapter counts alpha / rank times.",
    ),
    "set_lora_dropout": ("Dropout", "Dropout"),
    "help_lora_dropout": (
        "Part des entrées de l’adaptateur mises à zéro à chaque pas.",
        "Share of the adapter’s inputs set to zero at each step.",
    ),
    "set_lora_targets": ("Couches adaptées", "Layers adapted"),
    "help_lora_targets": (
        "Noms séparés par des virgules, par exemple query, key, value, dense.",
        "Names with commas between, for example query, key, value, dense.",
    ),
    "set_lora_layers": ("Dernières couches adaptées", "Last layers adapted"),
    "help_lora_layers": (
        "Seulement les dernières, en moins de temps ; 0 : toutes.",
        "Only the last ones, in less time; 0: all.",
    ),
    "training": ("Entraînement", "Training"),
    "curves_beside": ("Courbes à côté", "Curves beside it"),
    "stop_training": ("Arrêter", "Stop"),
    "resume": ("Reprendre", "Resume"),
    "log": ("Journal", "Log"),
    "manage": ("Nommer, exporter, supprimer", "Name, export, delete"),
    "new_name": ("Nouveau nom", "New name"),
    "rename": ("Renommer", "Rename"),
    "merged": ("Avec les poids fusionnés", "With merged weights"),
    "help_merged": (
        "LoRA : aussi un modèle complet de 470 Mo, dans un dossier à part.",
        "LoRA: a whole model of 470 MB too, in a folder of its own.",
    ),
    "export": ("Exporter en zip", "Export as zip"),
    "export_file": ("Le modèle", "The model"),
    "import_training": ("Importer un modèle exporté", "Import an exported model"),
}

SPOKEN: dict[str, tuple[str, str]] = {
    "delete_named": ("Supprimer pour de bon : {name}", "Delete for good: {name}"),
    "about_quick": (
        "Ce qu’un processeur à deux cœurs peut faire en dix minutes : textes courts, plongements "
        "de mots gelés, échelle d’E5, et un négatif difficile par paire, car les autres articles "
        "d’un lot sont vite trop faciles.",
        "What a processor with two cores can do in ten minutes: short texts, frozen word "
        "embeddings, E5’s own scale, and a hard negative a pair, as the other articles of a batch "
        "are soon too easy.",
    ),
    "about_notebook": (
        "La recette à la lettre : 64 paires par lot, 512 tokens, une époque.",
        "The recipe to the letter: 64 pairs a batch, 512 tokens, one epoch.",
    ),
    "about_best": (
        "Deux heures au plus, dont les quarante dernières minutes pour apprendre à reclasser : "
        "comme « rapide », sur des textes deux fois plus longs, avec deux négatifs difficiles par "
        "paire, des vecteurs courts (128 dimensions) appris en même temps et des validations en "
        "chemin.",
        "Two hours at most, the last forty minutes for learning to rerank: as “quick”, on texts "
        "twice as long, with two hard negatives a pair, short vectors (128 dimensions) learned "
        "beside, and validations on the way.",
    ),
    "cost": ("≈ {time} · {memory}", "≈ {time} · {memory}"),
    "cost_unknown": ("coût à mesurer", "cost not measured yet"),
    "estimate": (
        "Environ {total} ici, dont {train} pour {steps} pas ({pairs} paires lues){more} "
        "et {evaluate} d’évaluation ; {memory} de mémoire, {disk} de disque.",
        "About {total} here: {train} for {steps} steps ({pairs} pairs read){more} "
        "and {evaluate} of evaluation; {memory} of memory, {disk} of disk.",
    ),
    "estimate_validation": (", {time} de validation", ", {time} of validation"),
    "estimate_rerank": (", {time} pour le reclassement", ", {time} for reranking"),
    "estimate_unknown": (
        "Quelques pas chronométrés sur cette machine diront ce que cela coûte.",
        "A few steps timed on this machine will tell what it costs.",
    ),
    "train_command": (
        "La même chose en ligne de commande :",
        "The same on the command line:",
    ),
    "train_file": ("Et le fichier qu’elle nomme :", "And the file that it names:"),
    "train_queued": (
        "Affinage lancé : scores de départ, entraînement, scores d’arrivée.",
        "Tuning started: scores before, training, scores after.",
    ),
    "train_resumed": (
        "L’entraînement reprend à son dernier point de reprise.",
        "The training goes on from its last checkpoint.",
    ),
    "train_none": (
        "Aucun modèle affiné encore. Choisissez une méthode, puis « Affiner » : avec le préréglage "
        "rapide, dix minutes suffisent.",
        "No tuned model yet. Choose a method, then “Tune”: with the quick preset ten minutes do.",
    ),
    "state_resumable": (
        "arrêté, à reprendre après le pas {step}",
        "stopped, can go on after step {step}",
    ),
    "state_restartable": ("arrêté, à reprendre du début", "stopped, can start over"),
    "state_lacks_tokens": (
        "modèle terminé, reclassement à reprendre",
        "model done, reranking to go on with",
    ),
    "state_trained": ("terminé", "done"),
    "state_broke": ("échoué", "failed"),
    "state_unscored": ("entraîné, pas encore évalué", "trained, not evaluated yet"),
    "state_stopping": (
        "arrêt demandé : ce qui est en cours se termine et reste",
        "stop asked for: what is at hand ends, and is kept",
    ),
    "state_stopped": ("à reprendre", "to resume"),
    "fact_step": ("Pas", "Step"),
    "fact_late_step": ("Pas du reclassement", "Step of reranking"),
    "fact_late": ("Puis reclassement", "Then reranking"),
    "fact_loss": ("Perte", "Loss"),
    "fact_rate": ("Taux", "Rate"),
    "fact_speed": ("Paires/s", "Pairs/s"),
    "fact_left": ("Reste", "Left"),
    "fact_validation": ("ndcg@10 de validation", "Validation ndcg@10"),
    "gain_better": (
        "Mieux qu’avant : ndcg@10 de {before} à {after}, soit {difference} (intervalle à 95 %).",
        "Better than before: ndcg@10 from {before} to {after}, {difference} (95% interval).",
    ),
    "gain_worse": (
        "Moins bien qu’avant : ndcg@10 de {before} à {after}, soit {difference} (intervalle à "
        "95 %).",
        "Worse than before: ndcg@10 from {before} to {after}, {difference} (95% interval).",
    ),
    "gain_no_evidence": (
        "Pas de différence établie : ndcg@10 de {before} à {after}, soit {difference} (intervalle "
        "à 95 %).",
        "No evidence of a difference: ndcg@10 from {before} to {after}, {difference} (95% "
        "interval).",
    ),
    "off": (
        "Prévu pour ces pas {expected} et {memory} ; il a fallu {took} ({time}) et {used} "
        "({more}), calculé en {precision}.",
        "Expected for these steps {expected} and {memory}; it took {took} ({time}) and {used} "
        "({more}), computed in {precision}.",
    ),
    "late_told": (
        "Puis {steps} pas en {time} pour le reclassement (prévu : {expected}). Pour savoir ce "
        "qu’ils apportent, évaluez « Fusion reclassée » sur ce modèle dans Comparaison.",
        "Then {steps} steps in {time} for reranking (expected: {expected}). To see what they gave, "
        "evaluate “Reranked fusion” over this model in Comparison.",
    ),
    "kept": (
        "Les poids gardés sont ceux du pas {step}, les meilleurs en validation.",
        "The weights kept are those of step {step}, the best in validation.",
    ),
    "imported": ("{name} est importé.", "{name} is imported."),
    "stage_validate": ("validation", "validation"),
    "stage_estimate": ("chronométrage", "timing"),
    "stage_mine": ("recherche de négatifs", "mining negatives"),
    "stage_reduce": ("projection", "projection"),
    "stage_late": ("entraînement du reclassement", "training to rerank"),
    "job_train": ("Affiner E5 : {name}", "Tune E5: {name}"),
    "job_estimate": ("Chronométrer {name}", "Time {name}"),
    "head_model": ("Modèle", "Model"),
    "head_dataset": ("Jeu", "Data set"),
    "head_preset": ("Préréglage", "Preset"),
    "head_state": ("État", "State"),
    "head_steps": ("Pas", "Steps"),
    "head_trainable": ("Poids entraînés", "Weights trained"),
    "head_gain": ("ndcg@10 et écart (95 %)", "ndcg@10 and gain (95%)"),
    "chart_loss": ("Perte par pas", "Loss by step"),
    "chart_validation": ("ndcg@10 en validation", "Validation ndcg@10"),
    "smoothed": ("lissée", "smoothed"),
    "axis_steps": ("pas", "step"),
    "percent": ("{share} %", "{share}%"),
    "gigabytes": ("{count} Go", "{count} GB"),
}
