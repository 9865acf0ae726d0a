"""The notebook's own data from Kaggle, where the optional package kagglehub is installed."""

from pathlib import Path

from e5demo.errors import KaggleMissing, KaggleUnreachable

DATASET = "arcticgiant/french-financial-news"


def download() -> Path:
    """The CSV's path in kagglehub's cache. Raises KaggleMissing, KaggleUnreachable."""
    try:
        import kagglehub
    except ImportError as error:
        raise KaggleMissing(dataset=DATASET) from error
    try:
        folder = Path(kagglehub.dataset_download(DATASET))
    except Exception as error:  # kagglehub lets pass whatever its HTTP client raises
        raise KaggleUnreachable(dataset=DATASET, reason=type(error).__name__) from error
    found = sorted(folder.rglob("*.csv"), key=lambda path: path.stat().st_size)
    if not found:
        raise KaggleUnreachable(dataset=DATASET, reason="no CSV in it")
    return found[-1]
