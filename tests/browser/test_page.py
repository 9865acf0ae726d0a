"""What a person does on the page."""

import csv
import io
import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import served

pytestmark = pytest.mark.browser

ROWS = [
    ("Le marché couvert rouvre à Dole", "Fermé depuis l'incendie, le marché a rouvert samedi."),
    ("<img src=x onerror=alert(1)> en une", "Un <b>article</b> dont le texte ressemble à du HTML."),
    ("Un pont tournant bloqué au Havre", "Les navires ont attendu six heures à l'écluse du port."),
    ("Court", "Un article dont le titre est trop court pour être gardé."),
    ("Un titre dont l'article manque", ""),
]


def write_news(path, rows=ROWS, headers=("Titre", "Contenu")):
    text = io.StringIO()
    csv.writer(text).writerows([headers, *rows])
    path.write_text(text.getvalue(), "utf-8")
    return path


def numbered_news(count, words):
    return [
        (
            f"Dépêche numéro {i} du jour",
            f"Article {i}. " + " ".join(f"mot{i}x{w}" for w in range(words)),
        )
        for i in range(count)
    ]


def open_tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def upload(page, path):
    page.locator("input[type=file]").first.set_input_files(path)


def ask(page, query):
    page.locator("#query").locator("input, textarea").fill(query)
    page.keyboard.press("Enter")


def choose(page, *names):
    """Columns added on the right."""
    box = page.locator("#columns")
    for name in names:
        box.locator("input").click()
        page.get_by_role("option", name=name, exact=True).click()
        expect(box.locator(".token").filter(has_text=name)).to_have_count(1)
    page.keyboard.press("Escape")


def side(page):
    return page.locator("#side")


def test_opens_on_the_sample_in_french_and_asks_no_other_host(app, visit):
    page = visit(app)
    expect(side(page)).to_contain_text("Échantillon (fictif)")
    expect(side(page)).to_contain_text("346 paires sur 364 lignes")
    expect(page.get_by_role("button", name="Chercher")).to_be_visible()
    for name in ("Données", "Splits", "Recherche", "Entraînement", "Comparaison"):
        expect(page.get_by_role("tab", name=name, exact=True)).to_be_visible()
    expect(side(page)).to_contain_text("prêt")
    assert page.hosts == {app.split("/")[2]}
    assert page.errors == []


def test_a_search_puts_the_right_article_first_and_opens_it(app, visit):
    page = visit(app)
    page.locator("#query").locator("input, textarea").fill("une baleine perdue dans un port")
    page.keyboard.press("Enter")
    for kind in ("bm25", "baseline"):
        first = page.locator(f".kind-{kind} li").first
        expect(first).to_contain_text("Une baleine égarée dans le port de Saint-Nazaire")
    body = page.locator(".kind-baseline details").first
    expect(body.locator("div")).to_be_hidden()
    body.locator("summary").click()
    expect(body.locator("div")).to_contain_text("baleine à bosse")


def test_a_title_of_the_data_has_its_article_marked(app, visit):
    page = visit(app)
    choose(page, "Fusion")
    page.locator("#query").locator("input, textarea").fill(
        "Une baleine égarée dans le port de Saint-Nazaire"
    )
    page.get_by_role("button", name="Chercher").click()
    expect(page.locator(".answer .gold mark")).to_have_count(3)
    expect(page.locator(".kind-fusion")).to_contain_text("Article visé : rang 1.")


def test_an_empty_query_is_refused_in_words(app, visit):
    page = visit(app)
    page.get_by_role("button", name="Chercher").click()
    expect(page.get_by_text("La requête est vide")).to_be_visible()


def test_a_csv_is_uploaded_prepared_searched_and_deleted(app, visit, tmp_path):
    page = visit(app)
    open_tab(page, "Données")
    upload(page, write_news(tmp_path / "dole.csv"))
    expect(side(page)).to_contain_text("dole.csv")
    expect(side(page)).to_contain_text("3 paires sur 5 lignes")
    shown = page.locator(".articles:visible details")
    expect(shown).to_have_count(3)
    page.get_by_label("Titre de 10 caractères ou moins : 1").check()
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("Court")
    page.get_by_label("Paires : 3").check()
    page.get_by_label("Mots dans le titre ou l’article").first.fill("MARCHE rouvert")
    expect(shown).to_contain_text(["Dole"])
    page.reload()
    expect(side(page)).to_contain_text("dole.csv")
    open_tab(page, "Données")
    page.get_by_role("button", name="Supprimer", exact=True).click()
    page.get_by_role("button", name="Supprimer pour de bon").click()
    expect(side(page)).to_contain_text("Échantillon (fictif)")


def test_text_of_a_csv_is_shown_and_never_run(app, visit, tmp_path):
    page = visit(app)
    page.on("dialog", lambda dialog: pytest.fail("a CSV's text was run"))
    open_tab(page, "Données")
    upload(page, write_news(tmp_path / "html.csv"))
    expect(page.locator(".articles:visible")).to_contain_text("<img src=x onerror=alert(1)>")
    open_tab(page, "Recherche")
    page.locator("#query").locator("input, textarea").fill("texte HTML")
    page.keyboard.press("Enter")
    expect(page.locator(".kind-bm25 li").first).to_contain_text("<b>article</b>")
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vide.csv", b"", "vide.csv est vide"),
        ("image.csv", b"\x89PNG\0\0", "contient des octets nuls"),
        ("colonne.csv", b"titre\nun\ndeux\n", "n’a qu’une colonne"),
        ("casse.csv.gz", b"pas du gzip", "n’est pas un fichier gzip lisible"),
    ],
)
def test_a_broken_csv_gives_a_message(app, visit, tmp_path, name, content, message):
    page = visit(app)
    open_tab(page, "Données")
    (tmp_path / name).write_bytes(content)
    upload(page, tmp_path / name)
    expect(page.get_by_text(message)).to_be_visible()


def test_columns_that_were_not_guessed_can_be_chosen(app, visit, tmp_path):
    page = visit(app)
    open_tab(page, "Données")
    upload(page, write_news(tmp_path / "ab.csv", headers=("a", "b")))
    expect(page.get_by_text("n’a pas de colonne Titre/title")).to_be_visible()
    for label, column in (("Titre (requête)", "a"), ("Article (passage)", "b")):
        page.get_by_label(label).click()
        option = page.get_by_role("option", name=column, exact=True)
        expect(option).to_have_count(1)  # the other list has closed
        option.click()
    page.get_by_role("button", name="Relire ainsi").click()
    expect(side(page)).to_contain_text("ab.csv")


def test_language_follows_the_browser_and_the_switch(app, visit):
    page = visit(app, locale="de-DE")
    expect(page.get_by_role("button", name="Search", exact=True)).to_be_visible()
    expect(side(page)).to_contain_text("Sample (fictional)")
    page.get_by_role("button", name="FR", exact=True).click()
    expect(page.get_by_role("button", name="Chercher", exact=True)).to_be_visible()
    expect(side(page)).to_contain_text("Échantillon (fictif)")
    page.goto(app)
    expect(page.get_by_role("button", name="Chercher", exact=True)).to_be_visible()


def test_splits_are_drawn_browsed_and_saved(app, visit):
    page = visit(app)
    open_tab(page, "Splits")
    panel = page.get_by_role("tabpanel").filter(has_text="Découper")
    expect(panel).to_contain_text("sans groupement")
    panel.get_by_label("test", exact=True).check()
    expect(panel.locator(".pages")).to_contain_text("1–20 sur 52")
    panel.get_by_role("button", name="Enregistrer les splits").click()
    files = panel.locator("a[download]")
    expect(files).to_have_count(6)
    with page.expect_download() as caught:
        files.first.click()
    text = caught.value.path().read_text("utf-8")
    assert next(csv.reader(io.StringIO(text))) == ["question", "answer"]
    panel.get_by_label("Notebook : comme l’original").check()
    panel.get_by_role("button", name="Découper").click()
    expect(panel).to_contain_text("Chacune flatte les scores d’un modèle affiné")
    expect(side(page)).to_contain_text("découpage notebook")
    panel.get_by_label("Groupé : les doublons restent ensemble").check()
    panel.get_by_role("button", name="Découper").click()
    expect(side(page)).to_contain_text("découpage groupé")


def test_scores_are_measured_shown_and_found_again(app, visit):
    page = visit(app)
    open_evaluation(page)
    expect(page.get_by_text("Aucune mesure encore")).to_be_visible()
    page.get_by_role("button", name="Évaluer").click()
    rows = page.locator(".leaderboard tbody tr")
    expect(rows).to_have_count(3, timeout=120_000)
    baseline = rows.filter(has_text="E5 de base")
    expect(baseline).to_contain_text(re.compile(r"0,\d{3}\s*\[0,\d{3}\s;\s[01],\d{3}\]"))
    expect(page.locator("#compare-chart .js-plotly-plot")).to_be_visible()
    expect(page.locator(".verdict")).to_contain_text(re.compile("BM25|E5 de base"))
    page.reload()
    open_tab(page, "Comparaison")
    expect(rows).to_have_count(3)


def open_evaluation(page):
    """Folded where there are figures already."""
    open_tab(page, "Comparaison")
    fold = page.locator(".label-wrap", has_text="Mesurer un moteur")
    expect(fold).to_be_visible()
    page.wait_for_timeout(1000)  # the page folds it, perhaps
    if not page.get_by_role("button", name="Évaluer").is_visible():
        fold.click()


def evaluate_all(page):
    """Rows of the leaderboard, once those chosen by default are measured."""
    open_evaluation(page)
    page.get_by_role("button", name="Évaluer").click()
    rows = page.locator(".leaderboard tbody tr")
    expect(rows.filter(has_text="Fusion")).not_to_have_count(0, timeout=120_000)
    return rows


def open_fold(panel, title):
    panel.locator(".label-wrap", has_text=title).first.click()


@pytest.mark.timeout(1200)
def test_a_model_is_tuned_watched_stopped_resumed_compared_and_searched_with(app, visit, tmp_path):
    page = visit(app)
    open_tab(page, "Données")
    upload(page, write_news(tmp_path / "second.csv", numbered_news(120, 12)))
    expect(side(page)).to_contain_text("second.csv")
    page.get_by_label("Jeu de données").click()
    page.get_by_role("option", name="Échantillon").click()
    expect(side(page)).to_contain_text("Échantillon")
    open_tab(page, "Entraînement")
    panel = page.get_by_role("tabpanel").filter(has_text="Préréglage")
    expect(panel.locator(".cards")).to_contain_text("≈", timeout=600_000)
    open_fold(panel, "Réglages")
    for label, value in (("Paires par lot", "8"), ("Tokens lus par texte", "24"), ("Époques", "2")):
        panel.get_by_role("spinbutton", name=label).first.fill(value)
    panel.get_by_role("spinbutton", name="Minutes d’entraînement").fill("0")
    panel.get_by_role("button", name="Affiner").click()
    expect(side(page)).to_contain_text("Affiner E5 : LoRA")
    facts = panel.locator(".facts")
    expect(facts).to_contain_text(re.compile(r"Pas\s*[1-9]\d* / 62"), timeout=180_000)
    expect(panel.locator(".js-plotly-plot").first).to_be_visible()
    drawn = panel.locator(
        ".js-plotly-plot .scatterlayer .point, .js-plotly-plot .scatterlayer path"
    )
    expect(drawn.first).to_be_attached()
    page.reload()
    open_tab(page, "Entraînement")
    expect(facts).to_contain_text(re.compile(r"Pas\s*[1-9]\d* / 62"))
    panel.get_by_role("button", name="Arrêter", exact=True).click()
    expect(panel).to_contain_text("arrêté, à reprendre après le pas", timeout=60_000)
    stopped = int(re.search(r"après le pas (\d+)", panel.inner_text())[1])
    assert 0 < stopped < 62
    panel.get_by_role("button", name="Reprendre").click()
    expect(panel).to_contain_text("ndcg@10 de 0,", timeout=240_000)
    expect(facts).to_contain_text("62 / 62")
    expect(panel).to_contain_text("Prévu pour ces pas")
    open_fold(panel, "Nommer, exporter, supprimer")
    panel.get_by_label("Nouveau nom").fill("Mon LoRA")
    panel.get_by_role("button", name="Renommer").click()
    expect(panel.locator("tbody tr").first).to_contain_text("Mon LoRA")
    panel.get_by_role("button", name="Exporter en zip").click()
    expect(panel.locator(".file-preview")).to_contain_text(".zip")
    open_tab(page, "Comparaison")
    rows = page.locator(".leaderboard tbody tr")
    expect(rows.filter(has_text="Mon LoRA")).to_have_count(1)
    page.reload()  # what was compared before it was there is forgotten
    open_tab(page, "Comparaison")
    expect(page.locator(".verdict").first).to_contain_text("Mon LoRA")
    open_tab(page, "Oubli")
    expect(page.get_by_text("affiné sur ce jeu même")).to_be_visible()
    page.get_by_label("Second jeu de données").click()
    page.get_by_role("option", name="second.csv").click()
    page.get_by_role("button", name="Mesurer les deux").click()
    outcome = page.get_by_role("tabpanel").filter(has=page.get_by_text("Mesurer les deux")).last
    expect(outcome.locator(".verdict")).to_contain_text("Mon LoRA", timeout=240_000)
    expect(outcome).to_contain_text("Requêtes : 118")
    open_tab(page, "Recherche")
    choose(page, "Mon LoRA")
    page.get_by_label("le split de test").locator("visible=true").check()
    ask(page, "baleine")
    expect(page.locator(".kind-lora h3")).to_have_text("Mon LoRA")
    expect(page.locator(".kind-lora li").first).to_be_visible()
    expect(page.locator(".kind-lora .move").first).to_be_visible()
    expect(page.locator(".moves g.line").first).to_be_visible()
    open_tab(page, "Entraînement")
    open_fold(panel, "Nommer, exporter, supprimer")
    panel.get_by_role("button", name="Supprimer", exact=True).click()
    panel.get_by_role("button", name="Supprimer pour de bon").click()
    expect(panel).to_contain_text("Aucun modèle affiné encore")


def test_encoding_is_a_job_that_a_reload_finds_and_a_click_stops(app, visit, tmp_path):
    page = visit(app)
    open_tab(page, "Données")
    upload(page, write_news(tmp_path / "long.csv", numbered_news(3000, 200)))
    expect(side(page)).to_contain_text("long.csv")
    open_tab(page, "Recherche")
    page.locator("#query").locator("input, textarea").fill("mot7x3")
    page.keyboard.press("Enter")
    expect(page.locator(".kind-bm25 li").first).to_contain_text("Dépêche numéro 7 du jour")
    expect(page.locator(".kind-baseline")).to_contain_text(re.compile(r"3\s000 articles à encoder"))
    page.get_by_role("button", name="Encoder ce corpus").click()
    expect(side(page)).to_contain_text("Encoder long.csv")
    page.reload()
    expect(side(page)).to_contain_text("encodage")
    page.get_by_role("button", name="Tout arrêter").click()
    expect(side(page)).to_contain_text("arrêtée")


def test_a_choice_in_one_window_shows_in_the_other(app, visit, tmp_path):
    here, there = visit(app), visit(app)
    open_tab(here, "Données")
    open_tab(there, "Données")
    upload(there, write_news(tmp_path / "la.csv"))
    expect(side(there)).to_contain_text("la.csv")
    expect(side(here)).to_contain_text("la.csv")
    expect(here.locator(".articles:visible details")).to_have_count(3)


def test_the_end_of_a_job_leaves_the_splits_tab_as_it_was_set(app, visit):
    page = visit(app)
    open_evaluation(page)
    page.get_by_label("E5 de base").last.uncheck()
    page.get_by_label("Fusion").last.uncheck()
    page.get_by_label("Seuils k").fill("1, 3")
    page.get_by_role("button", name="Évaluer").click()
    open_tab(page, "Splits")
    panel = page.get_by_role("tabpanel").filter(has_text="Découper")
    panel.get_by_label("test", exact=True).check()
    panel.get_by_label("Part de test").fill("0.25")
    expect(side(page)).to_contain_text("terminée")
    open_tab(page, "Comparaison")
    expect(page.locator("th", has_text="recall@3")).to_be_visible()
    open_tab(page, "Splits")
    expect(panel.get_by_label("test", exact=True)).to_be_checked()
    expect(panel.get_by_label("Part de test")).to_have_value("0.25")
    expect(panel.locator(".pages")).to_contain_text("sur 52")


def test_a_set_too_small_to_split_says_so_where_the_split_would_be(app, visit, tmp_path):
    page = visit(app)
    open_tab(page, "Données")
    upload(page, write_news(tmp_path / "deux.csv", ROWS[:2]))
    expect(side(page)).to_contain_text("deux.csv")
    open_tab(page, "Splits")
    panel = page.get_by_role("tabpanel").filter(has_text="Découper")
    expect(panel).to_contain_text("Avec 2 paires et ces parts")
    expect(panel).to_contain_text("Rien à montrer ici.")


def test_side_by_side_shows_what_moved_and_why_and_columns_are_kept(app, visit):
    page = visit(app)
    choose(page, "Fusion", "Fusion reclassée")
    ask(page, "Une baleine égarée dans le port de Saint-Nazaire")
    expect(page.locator(".answer h3")).to_have_text(
        ["BM25", "E5 de base", "Fusion", "Fusion reclassée"]
    )
    expect(page.locator(".note.summary:visible")).to_contain_text(
        "Rang de l’article visé : BM25 1, E5 de base 1, Fusion 1, Fusion reclassée 1."
    )
    expect(page.locator(".kind-baseline")).to_contain_text(re.compile(r"RBO 0,\d\d"))
    expect(page.locator(".moves g.gold line")).to_have_count(3)
    expect(page.locator(".kind-bm25 .move.gone").first).to_be_visible()
    reasons = {
        "bm25": "BM25 additionne",
        "baseline": "Une aide pour l’œil",
        "fusion": "ceux de BM25 multipliés par 0,6 ; rangs : BM25 1 ; E5 1.",
        "rerank": "Puis ceux de ses 20 premiers dont le score est proche",
    }
    for kind, told in reasons.items():
        hit = page.locator(f".kind-{kind} li").first
        hit.locator("summary").click()
        hit.get_by_role("button", name="Pourquoi ce résultat ?").click()
        sheet = page.locator(".sheet")
        expect(sheet).to_contain_text(told)
        expect(sheet).to_contain_text("baleine")
        page.get_by_role("button", name="Fermer").click()
        expect(sheet).to_have_count(0)
    page.reload()
    expect(page.locator("#columns")).to_contain_text("Fusion reclassée")
    ask(page, "baleine")
    expect(page.locator(".answer h3")).to_have_text(
        ["BM25", "E5 de base", "Fusion", "Fusion reclassée"]
    )


def test_filters_narrow_every_column(app, visit):
    page = visit(app)
    page.locator(".label-wrap", has_text="Filtres").click()
    page.get_by_label("Agence").locator("visible=true").first.click()
    page.get_by_role("option", name="Horizon", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_label("Depuis").locator("visible=true").fill("2016")
    ask(page, "la neige et la pluie")
    for kind in ("bm25", "baseline"):
        bylines = page.locator(f".kind-{kind} li small")
        expect(bylines.first).to_contain_text("Horizon")
        told = bylines.all_inner_texts()
        assert all("Horizon" in one and one[:4] >= "2016" for one in told)
    page.get_by_label("Depuis").locator("visible=true").fill("hier")
    page.get_by_role("button", name="Chercher", exact=True).click()
    expect(page.get_by_text("hier n’est pas une date").first).to_be_visible()


def test_a_query_on_which_two_retrievers_differ_opens_side_by_side(app, visit):
    page = visit(app)
    open_tab(page, "Où regarder")
    measure = page.get_by_role("button", name="Mesurer les rangs manquants")
    rows = page.locator("[data-query]:visible")
    expect(measure.or_(rows.first)).to_be_visible()
    if measure.is_visible():  # another test may have evaluated both
        measure.click()
    expect(rows.first).to_be_visible(timeout=120_000)
    page.get_by_label("plus grands gains").check()
    expect(page.locator("tbody:visible tr").first.locator("td").last).to_have_text("1")
    query = rows.first.inner_text()
    rows.first.click()
    expect(page.locator("#query").locator("input, textarea")).to_have_value(query)
    expect(page.locator(".kind-baseline .gold").first).to_be_visible()
    expect(page.locator(".kind-baseline")).to_contain_text("Article visé : rang 1.")
    open_tab(page, "Où regarder")
    page.get_by_role("button", name="Une au hasard").click()
    expect(page.locator("#query").locator("input, textarea")).not_to_have_value(query)


def test_a_verdict_its_charts_slices_checks_and_the_evidence(app, visit):
    page = visit(app)
    evaluate_all(page)
    expect(page.locator(".verdict")).to_contain_text("ndcg@10")
    expect(page.get_by_text("corrigé pour")).to_be_visible()
    for chart in ("différences", "rappel à k", "rangs", "qualité et coût", "requête par requête"):
        page.get_by_label(chart, exact=True).check()
        expect(page.locator("#compare-chart .js-plotly-plot .plot-container")).to_be_visible()
    points = page.locator("#compare-chart .scatterlayer .point")
    expect(points).to_have_count(47)
    page.wait_for_timeout(1000)  # until the page listens to clicks
    points.last.click(force=True)
    expect(page.locator(".answer h3")).to_have_count(2)
    expect(page.locator(".answer .gold").first).to_be_visible()
    open_tab(page, "Comparaison")
    open_tab(page, "Tranches")
    expect(page.get_by_text("mots du titre dans l’article : tous")).to_be_visible()
    open_tab(page, "Contrôles des données")
    expect(page.get_by_text("se lisent mot pour mot")).to_be_visible()
    open_tab(page, "Carte")
    dots = page.locator("#news-map .scatterlayer .point")
    expect(dots).not_to_have_count(0, timeout=60_000)
    page.get_by_label("par sujet").check()
    expect(page.locator("#news-map .legend")).not_to_contain_text("rang égal")
    page.wait_for_timeout(1000)  # until the page listens
    dots.last.hover(force=True)
    panels = page.locator("#news-map .scatterlayer").count()  # one, or two with a tuned model
    expect(page.locator("#news-map .linked")).to_have_count(panels)
    dots.last.click(force=True)
    opened = page.get_by_role("tab", name="Recherche", exact=True)
    expect(opened).to_have_attribute("aria-selected", "true")
    open_tab(page, "Comparaison")
    open_tab(page, "Preuves")
    page.get_by_role("button", name="Préparer le zip").click()
    with page.expect_download() as caught:
        page.locator(".file-preview a[download]:visible").click()
    with zipfile.ZipFile(caught.value.path()) as archive:
        names = archive.namelist()
        assert {"report.html", "metrics.csv", "trec/qrels.txt", "splits/test.parquet"} <= set(names)
        report = archive.read("report.html").decode()
    assert "Fusion" in report
    assert not re.search(r"(src|href)=.https?://", report)


def test_an_ablation_joins_the_table(app, visit):
    page = visit(app)
    evaluate_all(page)
    page.reload()  # two of them may have been shown before Fusion was there
    open_tab(page, "Comparaison")
    rows = page.locator(".leaderboard tbody tr")
    expect(rows.filter(has_text="Fusion")).to_have_count(1)
    open_tab(page, "Ablations")
    page.get_by_role("button", name="Vecteurs int8").click()
    expect(rows.filter(has_text="int8")).to_have_count(1, timeout=120_000)
    expect(page.locator(".verdict")).to_contain_text("ndcg@10")
    page.get_by_role("button", name="Vecteurs int8").click()
    expect(page.locator(".toast-body", has_text="existe déjà")).to_be_visible()


def test_a_blind_vote_is_counted_and_exported(app, visit):
    page = visit(app)
    open_tab(page, "Vote à l’aveugle")
    page.get_by_role("button", name="Requête suivante").click()
    ballot = page.locator(".answers:visible")
    expect(ballot.locator("h3")).to_have_text(["Gauche", "Droite"])
    assert "kind-" not in ballot.inner_html()
    choices = {
        "Gauche": "Tranchés : 1",
        "Droite": "Tranchés : 2",
        "Aussi bonnes l’une que l’autre": "égalités : 1",
        "Aucune des deux": "deux : 1",
    }
    for name, told in choices.items():
        asked = page.locator(".asked").inner_text()
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator(".block.score")).to_contain_text(told)
        expect(page.locator(".asked")).not_to_have_text(asked)
    page.get_by_role("button", name="Exporter les votes").click()
    links = page.locator(".file-preview a[download]:visible")
    expect(links).to_have_count(2)
    read = []
    for link in links.all():
        with page.expect_download() as caught:
            link.click()
        read.append(list(csv.DictReader(caught.value.path().open(encoding="utf-8-sig"))))
    votes, triplets = read
    assert [vote["choice"] for vote in votes] == ["left", "right", "tie", "bad"]
    assert {vote["left"] for vote in votes} | {vote["right"] for vote in votes} == {
        "bm25", "baseline",
    }  # fmt: skip
    assert len(triplets) <= 2
    assert all(one["positive"] != one["negative"] for one in triplets)


def test_a_link_opens_the_view_that_it_was_copied_from(app, visit):
    page = visit(f"{app}/?q=baleine+dans+un+port&with=baseline,bm25&k=4&in=test")
    expect(page.locator(".answer h3")).to_have_text(["E5 de base", "BM25"])
    expect(page.locator(".kind-baseline li")).to_have_count(4)
    expect(page.get_by_text("Tapez une requête, ou essayez")).to_be_hidden()
    expect(page.get_by_label("le split de test")).to_be_checked()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copier le lien").click()
    expect(page.get_by_text("Lien copié.")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(app)
    other = visit(link)
    expect(other.locator(".answer h3")).to_have_text(["E5 de base", "BM25"])
    expect(other.locator(".kind-baseline li")).to_have_count(4)
    expect(other.locator("#query").locator("input, textarea")).to_have_value("baleine dans un port")


def test_many_queries_give_one_table(app, visit):
    page = visit(app)
    open_tab(page, "Par lots")
    page.get_by_label("Requêtes, une par ligne").fill("baleine\n\n=SOMME(A1)\nbaleine\nneige")
    page.get_by_role("button", name="Tout chercher").click()
    expect(page.get_by_text("Requêtes : 3 ;")).to_be_visible()
    with page.expect_download() as caught:
        page.locator(".file-preview a[download]:visible").click()
    rows = list(csv.DictReader(caught.value.path().open(encoding="utf-8-sig")))
    assert {row["query"] for row in rows} == {"baleine", "'=SOMME(A1)", "neige"}
    assert {(row["retriever"], row["name"]) for row in rows} == {
        ("bm25", "BM25"), ("baseline", "E5 de base"),
    }  # fmt: skip
    assert rows[0]["title"] == "Une baleine égarée dans le port de Saint-Nazaire"
    page.get_by_label("Requêtes, une par ligne").fill("\n".join(f"neige {i}" for i in range(1000)))
    page.get_by_role("button", name="Tout chercher").click()
    stop = page.get_by_role("button", name="Arrêter", exact=True)
    expect(page.get_by_text(re.compile("/ 1\\s000$"))).to_be_visible()
    stop.click()
    expect(page.get_by_text("Recherche arrêtée.")).to_be_visible()
    expect(stop).to_be_hidden()
    expect(page.locator(".file-preview")).to_be_hidden()


def test_a_phone_gets_the_whole_page(app, visit):
    page = visit(app, width=390, height=844)
    expect(page.locator(".sidebar.open")).to_have_count(0)
    expect(page.get_by_role("tab", name="Comparaison", exact=True)).to_be_visible()
    page.locator("#query").locator("input, textarea").fill("baleine")
    page.keyboard.press("Enter")
    expect(page.locator(".kind-baseline li").first).to_be_visible()
    for tab in ("Recherche", "Données", "Splits", "Entraînement", "Comparaison"):
        open_tab(page, tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab


def test_public_visitors_do_not_see_each_other(visit, tmp_path):
    home = tmp_path / "public"
    home.mkdir()
    with served(home, E5DEMO_PUBLIC="1") as address:
        mine, yours = visit(address), visit(address)
        open_tab(mine, "Données")
        upload(mine, write_news(tmp_path / "secret.csv"))
        expect(side(mine)).to_contain_text("secret.csv")
        mine.reload()
        expect(side(mine)).to_contain_text("secret.csv")
        yours.reload()
        expect(side(yours)).to_contain_text("Échantillon (fictif)")
        open_tab(yours, "Données")
        yours.get_by_label("Jeu de données").click()
        expect(yours.get_by_role("option")).to_have_count(1)
