"""Jobyard's own log: short past facts with fields, on stderr, readable or as JSON lines."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from jobyard.errors import printable

_LOGGER = logging.getLogger("jobyard")
_RESERVED = "facts"


class _Readable(logging.Formatter):
    """One line for people: time, level, fact, fields; control characters come as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = getattr(record, _RESERVED, {})
        fields = printable(" ".join(f"{name}={value}" for name, value in facts.items()))
        moment = self.formatTime(record, "%H:%M:%S")
        line = f"{moment} {record.levelname.lower():7} {record.getMessage()}  {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonLines(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, _RESERVED, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str = "info") -> None:
    """Send this process's log to stderr: readable on a terminal, JSON lines otherwise."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Readable() if sys.stderr.isatty() else _JsonLines())
    _LOGGER.handlers[:] = [handler]
    _LOGGER.setLevel(level.upper())
    _LOGGER.propagate = False


def debug(event: str, **facts: Any) -> None:
    """Note the turn of a loop."""
    _LOGGER.debug(event, extra={_RESERVED: facts})


def info(event: str, **facts: Any) -> None:
    """Note a step in the life of a job or a worker."""
    _LOGGER.info(event, extra={_RESERVED: facts})


def warning(event: str, **facts: Any) -> None:
    """Note what healed itself but deserves a thought."""
    _LOGGER.warning(event, extra={_RESERVED: facts})


def error(event: str, *, exception: BaseException | None = None, **facts: Any) -> None:
    """Note what somebody must look at."""
    _LOGGER.error(event, exc_info=exception, extra={_RESERVED: facts})
