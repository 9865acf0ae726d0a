"""The evidence of a comparison, as one zip that another person can check."""

from e5demo.report.archive import write_evidence
from e5demo.report.evidence import Evidence, library_versions
from e5demo.report.text import call_experiments, report_title

__all__ = ["Evidence", "call_experiments", "library_versions", "report_title", "write_evidence"]
