import pandas as pd

from e5demo.data.duplicates import families, jaccard, near_groups, normalise, shingle, twin_keys

WORDS = [f"mot{i}" for i in range(100)]


def test_normalise_drops_case_accents_and_punctuation():
    assert normalise("  L’Été, à SÈTE !\n") == "l ete a sete"


def test_jaccard_by_hand():
    # a b c d -> {abc, bcd}; a b c e -> {abc, bce}: one of three shared
    assert jaccard(shingle("a b c d"), shingle("a b c e")) == 1 / 3
    assert len(shingle("deux mots")) == 1
    assert len(shingle("")) == 0 or normalise("") == ""


def test_a_small_change_is_a_twin_and_a_large_one_is_not():
    text = " ".join(WORDS)
    near = " ".join([*WORDS[:-1], "autre"])  # 97 of 99 shingles shared
    far = " ".join([*WORDS[:50], *(f"x{i}" for i in range(50))])
    assert near_groups([text, far, near]) == [0, 1, 0]


def test_who_is_linked_by_a_chain_is_in_one_group():
    # Each step changes 9 words: neighbours share 89 of 109 shingles (0.82), two steps apart 0.66.
    steps = [WORDS, [*"abcdefghi", *WORDS[9:]], [*"abcdefghi", *WORDS[9:91], *"jklmnopqr"]]
    assert near_groups([" ".join(step) for step in steps]) == [0, 0, 0]
    assert near_groups([" ".join(steps[i]) for i in (0, 2, 1)]) == [0, 0, 0]  # in any order


def test_families_join_by_any_key_and_through_others():
    pairs = pd.DataFrame(
        {
            "query": ["Même titre", "même  TITRE !", "Autre titre", "Rien à voir"],
            "passage": ["le premier article", "le second article", "Le second article.", "seul"],
        }
    )
    numbers = families(twin_keys(pairs))
    assert numbers[0] == numbers[1] == numbers[2]
    assert numbers[3] != numbers[0]
