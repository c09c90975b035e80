"""The report: one self-contained HTML page of one or several runs."""

from saec.report.page import write_report

__all__ = ["write_report"]
