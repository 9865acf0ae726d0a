"""Makes a CSV with the shape of Kaggle's FrenchNews.csv. For timing only, not for quality:
the words are made up, so no score found on this file says anything about search.

    python benchmarks/make_news.py OUT.csv [--rows 41543] [--seed 0]

Like the real file: 20 columns, about 120 MB, line breaks, commas and quotes inside cells,
datelines, about 1.4% of the rows short or empty, repeated and nearly repeated articles.
The same seed gives the same bytes.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 41_543  # as many as Kaggle's file
VOCABULARY = 30_000
ZIPF_SHIFT = 2.7  # Mandelbrot's: the commonest words are less common than 1 / rank says
FRENCH_SYLLABLES = (
    "a ai an au bé ca ce ché cou da de dé di du é ée en eur fa fi for ga gé gou i in jou la le lé "
    "li lon ma mé mi mon na né no nou o ou pa pé pla po pré qua que ra ré ri ro sa sé si son sur "
    "ta té ti tion tou tra u un va ve vi vou x zé ê où çai"
)
ENGLISH_SYLLABLES = (
    "a al an ar ba be bo ch com con da de di ed el en er es ex fa fi for ge ha he i in ing is ke "
    "la le ly ma me ment mo na ne no o of on or ous pa per po pre ra re ri sa se sh si st sur ta "
    "te th ti to tion tr un ur va ve vi wa we wi y"
)
AGENCIES = {
    "Reuters": 0.42,
    "Le Point": 0.2,
    "France 24": 0.12,
    "AFP": 0.12,
    "Ecorama": 0.05,
    "IDIX": 0.04,
    "UNDEFINED": 0.05,
}
CITIES = ("PARIS", "LONDRES", "NEW YORK", "BRUXELLES", "FRANCFORT", "TOKYO", "PÉKIN", "GENÈVE")

# Shares of the rows.
REPEATED_ARTICLE, NEARLY_REPEATED, REPEATED_TITLE = 0.015, 0.01, 0.01
MISSING, SHORT_TITLE, SHORT_BODY = 0.006, 0.004, 0.004

# Forms of a word in a text; a text picks from the vocabulary times the forms.
PLAIN, COMMA, QUOTED, STOP, PARAGRAPH, CAPITAL = range(6)
TITLE_FORMS = [0.93, 0.05, 0.02, 0, 0]
BODY_FORMS = [0.865, 0.06, 0.02, 0.045, 0.01]


class Writer:
    """Writes texts of made-up words whose frequencies follow Zipf's law."""

    def __init__(self, rng: np.random.Generator, syllables: str) -> None:
        words = make_words(rng, syllables)
        forms = ("{}", "{},", '"{}"', "{}.", "{}.\n")
        table = [[form.format(word) for word in words] for form in forms]
        self.forms = np.array([*table, [word.capitalize() for word in words]], dtype=object)
        self.frequencies = 1 / (np.arange(VOCABULARY) + ZIPF_SHIFT)
        self.frequencies /= self.frequencies.sum()
        self.rng = rng

    def draw(self, size: int) -> np.ndarray:
        return self.rng.choice(VOCABULARY, size, p=self.frequencies)

    def titles(self, size: int, words: float = 12) -> list[str]:
        return self._texts(np.clip(self.rng.poisson(words, size), 5, None), TITLE_FORMS)

    def bodies(self, size: int, words: float = 200) -> list[str]:
        lengths = self.rng.lognormal(np.log(words), 0.35, size).astype(int)
        return self._texts(np.clip(lengths, 40, 900), BODY_FORMS)

    def _texts(self, lengths: np.ndarray, shares: list[float]) -> list[str]:
        """All words of all texts at once, then cut."""
        words = self.draw(lengths.sum())
        forms = self.rng.choice(len(shares), len(words), p=shares)
        ends = np.cumsum(lengths)
        starts = ends - lengths
        after_stop = np.roll((forms == STOP) | (forms == PARAGRAPH), 1)
        after_stop[starts] = True
        forms[after_stop & (forms == PLAIN)] = CAPITAL
        if shares[STOP]:
            forms[ends - 1] = STOP
        tokens = self.forms[forms, words].tolist()
        cuts = zip(starts.tolist(), ends.tolist(), strict=True)
        return [" ".join(tokens[a:b]).replace("\n ", "\n") for a, b in cuts]


def make_words(rng: np.random.Generator, syllables: str) -> list[str]:
    """Different words; the more frequent come first and are shorter."""
    parts = syllables.split()
    words: dict[str, None] = dict.fromkeys(parts)
    while len(words) < VOCABULARY:
        length = min(4, 2 + len(words) // 3_000)
        words.setdefault("".join(rng.choice(parts, length)))
    return list(words)


def make_news(rows: int, seed: int) -> pd.DataFrame:
    """The whole table, every cell as it stands in the file."""
    rng = np.random.default_rng(seed)
    french, english = Writer(rng, FRENCH_SYLLABLES), Writer(rng, ENGLISH_SYLLABLES)
    agency = rng.choice(list(AGENCIES), rows, p=list(AGENCIES.values())).astype(object)
    titles = np.array(french.titles(rows), dtype=object)
    bodies = np.array(french.bodies(rows), dtype=object)
    add_datelines(bodies, agency, rng)
    add_repeats(titles, bodies, french)
    add_gaps(titles, bodies, rng)
    moments = draw_moments(rows, rng)
    seconds = (moments - pd.Timestamp("2010-01-01")) // pd.Timedelta("1s")
    number = np.arange(1, rows + 1)
    return pd.DataFrame(
        {
            "Numero news": number,
            "Numero page": number // 20 + 1,
            "Numero": number % 20 + 1,
            "Date": moments.strftime("%d.%m.%Y"),
            "Heure": moments.strftime("%H:%M"),
            "Titre": titles,
            "Contenu": bodies,
            "Agency": agency,
            "URL": [
                f"https://news.example/{day:%Y-%m-%d}/{i}.html" for i, day in enumerate(moments)
            ],
            "textURL": french.titles(rows, 14),
            "Nbr image": rng.integers(0, 4, rows),
            "seconds to 2010": seconds,
            "days to 2010": seconds // 86_400,
            "dateDT": moments.strftime("%Y-%m-%d %H:%M:%S"),
            "Title eng": english.titles(rows),
            "Content eng": english.bodies(rows),
            "textURL eng": english.titles(rows, 14),
            "Sentiment Vader Title": rng.uniform(-1, 1, rows).round(4),
            "Sentiment Vader Text": rng.uniform(-1, 1, rows).round(4),
            "Sentiment Vader TextURL": rng.uniform(-1, 1, rows).round(4),
        }
    )


def draw_moments(rows: int, rng: np.random.Generator) -> pd.DatetimeIndex:
    """Newest first, 2011 to 2020, to the minute."""
    minutes = np.sort(rng.integers(0, 10 * 365 * 24 * 60, rows))[::-1]
    return pd.Timestamp("2011-01-01") + pd.to_timedelta(minutes, unit="min")


def add_datelines(bodies: np.ndarray, agency: np.ndarray, rng: np.random.Generator) -> None:
    cities = rng.choice(CITIES, len(bodies))
    for i in np.flatnonzero(np.isin(agency, ["Reuters", "AFP"])):
        bodies[i] = f"{cities[i]} ({agency[i]}) - {bodies[i]}"


def add_repeats(titles: np.ndarray, bodies: np.ndarray, writer: Writer) -> None:
    """Some rows take over another's article, its article with changes, or its title alone."""
    same, near, title = shares(
        len(titles), [REPEATED_ARTICLE, NEARLY_REPEATED, REPEATED_TITLE], writer.rng
    )
    sources = writer.rng.permutation(
        np.setdiff1d(np.arange(len(titles)), np.concatenate([same, near, title]))
    )
    for rows, source in zip((same, near, title), np.array_split(sources, 3), strict=True):
        source = source[: len(rows)]
        if rows is not near:
            titles[rows] = titles[source]
        if rows is not title:
            bodies[rows] = bodies[source]
    for row in near:
        bodies[row] = change_words(bodies[row], writer)


def change_words(text: str, writer: Writer) -> str:
    """One to six words replaced: from well above the limit of near-duplicates to around it."""
    words = text.split(" ")
    places = writer.rng.integers(0, len(words), writer.rng.integers(1, 7))
    for place, new in zip(places, writer.draw(len(places)), strict=True):
        words[place] = writer.forms[PLAIN, new]
    return " ".join(words)


def add_gaps(titles: np.ndarray, bodies: np.ndarray, rng: np.random.Generator) -> None:
    """What the recipe's rules drop."""
    missing, short_title, short_body = shares(len(titles), [MISSING, SHORT_TITLE, SHORT_BODY], rng)
    titles[missing[::2]] = ""
    bodies[missing[1::2]] = ""
    titles[short_title] = "En bref"
    bodies[short_body] = "Voir la vidéo"


def shares(size: int, wanted: list[float], rng: np.random.Generator) -> list[np.ndarray]:
    """Rows drawn without overlap, a group for each share."""
    counts = np.array([round(size * share) for share in wanted])
    return np.split(rng.permutation(size)[: counts.sum()], np.cumsum(counts)[:-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    make_news(options.rows, options.seed).to_csv(options.out, index=False, lineterminator="\n")
    print(f"{options.out}: {options.rows:,} rows, {options.out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
