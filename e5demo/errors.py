"""Mistakes a user can make and mend. Each class is one sentence: what, which value, what to do.

The sentence is English here; `ui/text.py` holds the French one under the class's name.
"""

from typing import Any, ClassVar


class E5DemoError(Exception):
    """A mistake with an answer. `values` fill the sentence in either language."""

    sentence: ClassVar[str] = "Something is not as it should be."

    def __init__(self, **values: Any) -> None:
        self.values = values
        super().__init__(self.sentence.format(**values))


def restored(name: str, values: dict[str, Any]) -> E5DemoError:
    """The mistake of that class again, from what a job's file says of it."""
    return globals()[name](**values)


def first_line(error: Exception) -> str:
    """For a `reason`: what a library's error says first, or its name where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class FileMissing(E5DemoError):
    sentence = "There is no file {path}: check the path."


class EmptyFile(E5DemoError):
    sentence = "{name} is empty: choose a CSV with a header line and at least one row."


class NotACsv(E5DemoError):
    sentence = "{name} is not a CSV: {reason}. Save the table as CSV text and try again."


class BinaryFile(NotACsv):
    sentence = (
        "{name} is not a CSV: it holds zero bytes, as pictures and programs do. "
        "Save the table as CSV text and try again."
    )


class MarkupFile(NotACsv):
    sentence = (
        "{name} is not a CSV: it starts like a web page or JSON. "
        "Save the table as CSV text and try again."
    )


class LongRows(E5DemoError):
    sentence = (
        "All {count} rows of {name} have more fields than its header: "
        "put texts that hold the delimiter in quotes."
    )


class OneColumn(E5DemoError):
    sentence = (
        "{name} has a single column ({column}): a title column and an article column are needed. "
        "If the file has several, set its delimiter."
    )


class MissingColumns(E5DemoError):
    sentence = "{name} has no column {wanted}; it has: {found}. Choose the columns by name."


class BadDelimiter(E5DemoError):
    sentence = "The delimiter {delimiter!r} is not one character: use , ; | or a tab."


class UnknownEncoding(E5DemoError):
    sentence = "The encoding {encoding} is unknown: use utf-8, utf-8-sig, utf-16 or cp1252."


class UndecodableText(E5DemoError):
    sentence = "{name} cannot be read as {encoding} (byte {position}): choose another encoding."


class UnreadableGzip(E5DemoError):
    sentence = "{name} is not a readable gzip file ({reason}): compress it again or unpack it."


class UnpacksTooLarge(E5DemoError):
    sentence = "{name} unpacks to more than {most} GB: give a part of it."


class NoPairs(E5DemoError):
    sentence = (
        "{name} gives no pair: of {rows} rows, {missing} lack a title or an article and "
        "{short} are too short. Check which columns were chosen: {query}, {passage}."
    )


class EmptySplit(E5DemoError):
    sentence = (
        "With {pairs} pairs and these shares the {split} split is empty: "
        "change the shares, bring more pairs, or take the notebook's split if all are duplicates."
    )


class BadSetting(E5DemoError):
    """`mistakes` lists pydantic's (setting, value, kind of error, its bounds)."""

    sentence = "{problems}"


class NotAModel(E5DemoError):
    sentence = (
        "{folder} is no sentence-transformers model ({reason}): give a folder with config.json, "
        "a tokenizer and model.safetensors."
    )


class NoWeights(E5DemoError):
    sentence = (
        "{model} is neither in the local cache, nor on the Hub (not reachable: {reason}), nor "
        "bundled for this system. Connect once, or give a model folder with E5DEMO_MODEL."
    )


class ModelFailed(E5DemoError):
    sentence = "The model could not be loaded ({reason}): see the server's log, then start again."


class UnknownRetriever(E5DemoError):
    sentence = "There is no retriever {retriever}: use {known}."


class BaseModelChanged(E5DemoError):
    sentence = (
        "{experiment} is a LoRA adapter for other base weights ({weights}) than those in use: "
        "bring those back, or tune again."
    )


class TokensOfOtherBase(E5DemoError):
    sentence = (
        "The tokens of {experiment} were trained over other base weights ({weights}) than those in "
        "use: take fusion:{experiment}, or bring those back."
    )


class UnknownPreset(E5DemoError):
    sentence = "There is no preset {preset}: use {known}."


class TooFewPairs(E5DemoError):
    sentence = (
        "{pairs} train pairs do not fill one batch of {batch_size}: "
        "take a smaller batch or bring more pairs."
    )


class NoRetriever(E5DemoError):
    sentence = "No retriever is chosen: tick one at least."


class OneExperiment(E5DemoError):
    sentence = "One evaluation compares with nothing: name two; experiments list names them all."


class TooDeep(E5DemoError):
    sentence = "{retriever} ranks the first {depth} of each member: take cutoffs up to {depth}."


class NotEncoded(E5DemoError):
    sentence = (
        "{retriever} has yet to read {passages} passages, about {minutes} min: encode the "
        "corpus first (the button under Side by side, or: encode)."
    )


class NoVectors(E5DemoError):
    sentence = (
        "Neither {left} nor {right} has vectors to draw: choose E5 or a tuned model that is still "
        "here, with the weights that were measured."
    )


class NotTuned(E5DemoError):
    sentence = "Neither of the two is a tuned model: choose one to see what it has forgotten."


class SameData(E5DemoError):
    sentence = "The model was tuned on {dataset} itself: choose another data set."


class NothingToAblate(E5DemoError):
    sentence = (
        "{experiment} reads no prompt and has no vectors: choose a dense one to compare with."
    )


class NotComparable(E5DemoError):
    sentence = "{left} and {right} were not measured on the same {what}: evaluate both on the same."


class TooManyQueries(E5DemoError):
    sentence = "{count} queries are too many at once: take {most} at most."


class NotText(E5DemoError):
    sentence = "{name} is not text in UTF-8: save it so, one query a line."


class NoVotes(E5DemoError):
    sentence = "There is no vote yet: vote first, then export."


class NoPreference(E5DemoError):
    sentence = (
        "No vote on this data set prefers one article to another yet: vote first, or leave the "
        "votes out."
    )


class OneRetriever(E5DemoError):
    sentence = "Choose two retrievers above: the first two are compared."


class TooManyRetrievers(E5DemoError):
    sentence = "{count} retrievers are too many beside each other: choose {most} at most."


class FolderNotWritable(E5DemoError):
    sentence = "{folder} cannot be written ({reason}): choose another folder."


class UnknownDataset(E5DemoError):
    sentence = "There is no data set {dataset}: load its CSV again."


class SplitRedrawn(E5DemoError):
    sentence = "{experiment} was measured on a split that is drawn otherwise now: evaluate again."


class UnknownExperiment(E5DemoError):
    sentence = "There is no experiment {experiment}: evaluate first, or check the id."


class EmptyQuery(E5DemoError):
    sentence = "The query is empty: type a title or a few words."


class KaggleMissing(E5DemoError):
    sentence = (
        "Kaggle's file needs the package kagglehub: run 'pip install kagglehub', "
        "or download {dataset} by hand and upload its CSV."
    )


class KaggleUnreachable(E5DemoError):
    sentence = (
        "Kaggle did not deliver {dataset} ({reason}): "
        "check the connection, or download it by hand and upload its CSV."
    )


class TwinsWanted(E5DemoError):
    sentence = (
        "The duplicates of {dataset} have not been looked for yet: start it in the Splits tab, "
        "or search all articles."
    )


class BadDate(E5DemoError):
    sentence = "{value} is not a YYYY-MM-DD date: mend it or clear the field."


class TrainingRuns(E5DemoError):
    sentence = "{experiment} is being trained right now: wait for its end, or stop it first."


class AlreadyTrained(E5DemoError):
    sentence = "{experiment} is trained to its end: there is nothing left to resume."


class ResumeAlone(E5DemoError):
    sentence = (
        "--resume {experiment} goes on with the settings and the data that it began with: "
        "leave out {options}."
    )


class NotTriplets(E5DemoError):
    sentence = (
        "{name} is no file of triplets, as it has no column {missing}: "
        "give a CSV with the columns query, positive and negative."
    )


class NoTriplets(E5DemoError):
    sentence = (
        "{name} holds no triplet: fill query, positive and negative in one row at least, "
        "with two different passages."
    )


class NoMethod(E5DemoError):
    sentence = "Say what to tune and how: train CSV --method full or lora, or train --resume ID."


class NoExperiment(E5DemoError):
    sentence = "Say which: experiments {action} ID; experiments list names them all."


class BadName(E5DemoError):
    sentence = "'{name}' is no name: write 1 to {longest} characters."


class UnreadableRecord(E5DemoError):
    sentence = (
        "{path} cannot be read and is left out of every list ({reason}): another version of "
        "e5demo wrote it, or it is damaged. Use that version, or move its folder away."
    )


class NotATuned(E5DemoError):
    sentence = "{name} is no tuned model that e5demo exported: {reason}."
