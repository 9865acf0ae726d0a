"""Which pairs are the same news: equal titles, equal passages, nearly equal passages.

Near-duplicates: Jaccard of at least 0.8 over word 3-shingles (Broder 1997, "On the resemblance
and containment of documents"), candidates by MinHash LSH, each checked exactly.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xxhash

from e5demo.jobs import Progress, silent

SHINGLE_WORDS = 3
JACCARD = 0.8
PERMUTATIONS = 128
# LSH proposes from a lower similarity, since the exact check follows: at Jaccard 0.8 these 25
# bands of 5 rows propose a twin with probability 1 - (1 - 0.8^5)^25 > 0.9999.
BANDS = (25, 5)

Shingles = np.ndarray  # sorted unique 32-bit hashes


def twin_keys(pairs: pd.DataFrame, progress: Progress = silent) -> pd.DataFrame:
    """Three keys per pair (`title`, `passage`, `near`): equal key, same news.

    `near` is the number of the near-duplicate group's first pair.
    """
    passages = pairs["passage"].map(normalise)
    first_of = passages.drop_duplicates()
    groups = near_groups(first_of.tolist(), progress)
    near = passages.map(dict(zip(first_of, groups, strict=True)))
    return pd.DataFrame(
        {"title": pairs["query"].map(normalise), "passage": passages, "near": near},
        index=pairs.index,
    )


def near_groups(passages: Sequence[str], progress: Progress = silent) -> list[int]:
    """For each passage the position of its group's first.

    Passages linked by a chain of near-duplicates are one group: else a split that keeps groups
    together would still part some that are nearly equal.
    """
    from datasketch import MinHash, MinHashLSH
    from scipy.cluster.hierarchy import DisjointSet

    lsh = MinHashLSH(num_perm=PERMUTATIONS, params=BANDS)
    empty = MinHash(num_perm=PERMUTATIONS, hashfunc=int)
    known: dict[int, Shingles] = {}
    same = DisjointSet(range(len(passages)))
    for position, passage in enumerate(passages):
        if position % 500 == 0:
            progress("twins", position, len(passages))
        shingles = shingle(passage)
        if not len(shingles):
            continue
        sketch = empty.copy()
        sketch.update_batch(shingles.tolist())
        for other in lsh.query(sketch):
            if not same.connected(other, position) and jaccard(known[other], shingles) >= JACCARD:
                same.merge(other, position)
        lsh.insert(position, sketch, check_duplication=False)
        known[position] = shingles
    firsts: dict[int, int] = {}
    return [firsts.setdefault(same[position], position) for position in range(len(passages))]


def shingle(text: str) -> Shingles:
    """Hashes of the text's word 3-shingles; a text of one or two words is one shingle."""
    words = normalise(text).split()
    size = min(SHINGLE_WORDS, len(words)) or 1
    joined = (" ".join(words[i : i + size]) for i in range(len(words) - size + 1))
    return np.unique(np.fromiter((xxhash.xxh32_intdigest(s) for s in joined), dtype=np.uint64))


def jaccard(a: Shingles, b: Shingles) -> float:
    """Shared share of two sorted sets: |a ∩ b| / |a ∪ b|."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


def normalise(text: str) -> str:
    """Case, accents, punctuation and spacing dropped: 'L’été  !' -> 'l ete'."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"\w+", "".join(c for c in letters if not unicodedata.combining(c))))


def families(keys: pd.DataFrame) -> np.ndarray:
    """One number per pair; pairs linked by any key, directly or through others, share it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # A graph of rows and key values: a row is joined to each of its values.
    links, size = [], len(keys)
    for name in keys:
        codes = pd.factorize(keys[name])[0]
        links.append(codes + size)
        size += codes.max() + 1
    rows = np.tile(np.arange(len(keys)), keys.shape[1])
    ends = np.concatenate(links)
    graph = coo_array((np.ones(len(rows), dtype=bool), (rows, ends)), shape=(size, size))
    return connected_components(graph, directed=False)[1][: len(keys)]
