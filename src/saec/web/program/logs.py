"""Structured logs: one JSON object a line on standard error, with the ids of frames."""

from __future__ import annotations

import contextlib
import logging
import sys
from contextlib import AbstractContextManager

import structlog
import structlog.tracebacks

from saec.web.log_settings import LogConfig, LogLevel


def configure_logs(level: LogLevel = LogConfig().level) -> None:
    """Send what structlog is told to standard error, as JSON with an ISO time."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.ExceptionRenderer(
                # Without the values of variables: a token or a frame may be among them.
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def logged_trace(trace: str) -> AbstractContextManager[object]:
    """All that this thread or task logs meanwhile names a trace; nothing where there is none."""
    return structlog.contextvars.bound_contextvars(trace=trace) if trace else contextlib.nullcontext()


def trace_warning(text: str) -> None:
    """Log what the exporter of traces warns of."""
    structlog.get_logger().warning("traces not sent", problem=text)
