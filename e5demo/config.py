"""Settings, frozen and checked as a whole; YAML in and out."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from e5demo.errors import BadSetting, FileMissing

BASE_MODEL = "intfloat/multilingual-e5-small"
SAMPLE = Path(__file__).parents[1] / "assets" / "sample_news.csv"
PROMPTS = {"query": "query: ", "document": "passage: "}
CorpusKind = Literal["test", "all"]
Prompting = Literal["own", "none", "swapped"]  # E5's prompts, or an ablation of them
# Tokens read of a text unless told otherwise. On 2,000 French news pairs ndcg@10 is 0.955 at 192
# and 256 tokens, 0.952 at 512 and 0.943 at 128; 192 takes 0.57 times 512's work (bench_encode).
MAX_LENGTH = 192
LENGTHS = (64, 128, MAX_LENGTH, 256, 512)  # to choose from
Precision = Literal["float32", "int8", "int8-128"]  # of the vectors searched
DIMENSIONS = {"int8-128": 128}  # so many are searched; else all


class Settings(BaseModel):
    """Base of all settings: unknown keys and changes are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build, naming all mistakes at once. Raises BadSetting."""
        try:
            return cls(**values)
        except ValidationError as error:
            found = [
                (".".join(map(str, e["loc"])), e["input"], e["type"], e.get("ctx", {}), e["msg"])
                for e in _innermost(error.errors())
            ]
            problems = "; ".join(f"{name} = {value!r}: {told}" for name, value, *_, told in found)
            mistakes = [mistake[:-1] for mistake in found]
            raise BadSetting(problems=problems, mistakes=mistakes) from error

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Raises BadSetting, also for what is no YAML mapping."""
        return cls.checked(**load_yaml(path))

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), allow_unicode=True, sort_keys=False)


class SplitSettings(Settings):
    """The recipe's shares: 15% test, then 15% of the rest for validation, seed 42."""

    mode: Literal["notebook", "grouped"] = "grouped"
    test_share: float = Field(0.15, gt=0, lt=1)
    validation_share: float = Field(0.15, gt=0, lt=1)
    seed: int = Field(42, ge=0, lt=2**32)

    def as_options(self) -> list[str]:
        """As the command line takes them."""
        return [
            f"--split={self.mode}",
            f"--test-share={self.test_share}",
            f"--validation-share={self.validation_share}",
            f"--seed={self.seed}",
        ]


def prompts_of(prompting: Prompting) -> dict[str, str]:
    """The prompt of each role."""
    if prompting == "none":
        return dict.fromkeys(PROMPTS, "")
    query, document = PROMPTS["query"], PROMPTS["document"]
    return {"query": document, "document": query} if prompting == "swapped" else dict(PROMPTS)


def prompting_of(prompts: dict[str, str]) -> Prompting:
    """The way of which these are the prompts: the inverse of `prompts_of`."""
    return next(way for way in get_args(Prompting) if prompts_of(way) == prompts)


class EvaluationSettings(Settings):
    """What is measured: which passages are searched, with which texts cut where."""

    corpus: CorpusKind = "test"
    cutoffs: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field((1, 5, 10), min_length=1)
    max_length: int = Field(MAX_LENGTH, ge=8, le=512)
    limit_queries: int | None = Field(None, ge=1)
    prompts: Prompting = "own"
    precision: Precision = "float32"
    seed: int = Field(42, ge=0, lt=2**32)


def load_yaml(path: Path) -> dict[str, Any]:
    """A mapping of settings by name. Raises FileMissing, BadSetting."""
    try:
        settings = yaml.safe_load(path.read_text("utf-8")) or {}
    except OSError as error:
        raise FileMissing(path=path) from error
    except (yaml.YAMLError, UnicodeDecodeError):
        settings = None
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise BadSetting(problems=f"{path.name} is no YAML mapping", mistakes=[])
    return settings


def _innermost(errors: list[Any]) -> list[Any]:
    """Less the complaints about a whole of which a part is already complained about."""
    places = [e["loc"] for e in errors]
    return [
        e
        for e in errors
        if not any(len(p) > len(e["loc"]) and p[: len(e["loc"])] == e["loc"] for p in places)
    ]
