"""Draw the statuses of a job from the one table of moves, for docs/concepts/statuses.md."""

from __future__ import annotations

import sys
from pathlib import Path

from jobyard.core.states import ACTIVE, TERMINAL, TRANSITIONS, Event, JobStatus

PAGE = Path(__file__).parent.parent / "docs" / "concepts" / "statuses.md"
BEGIN = "<!-- drawn by scripts/draw_statuses.py -->"
END = "<!-- end of the drawing -->"


def drawing() -> str:
    """Write the table of moves as a mermaid state diagram.

    Events that lead to the same end from every active status are drawn once, from the group of
    active statuses.
    """
    everywhere = {
        (event, after)
        for (_, event), after in TRANSITIONS.items()
        if all(TRANSITIONS.get((status, event)) is after for status in ACTIVE)
    }
    lines = ["stateDiagram-v2", "    [*] --> active: created", "    state active {"]
    lines.append(f"        [*] --> {ACTIVE[0]}")
    for (status, event), after in TRANSITIONS.items():
        if (event, after) not in everywhere:
            lines.append(f"        {status} --> {after}: {_words(event)}")
    lines.append("    }")
    order = list(JobStatus)
    for event, after in sorted(everywhere, key=lambda move: order.index(move[1])):
        lines.append(f"    active --> {after}: {_words(event)}")
    lines.extend(f"    {status} --> [*]" for status in TERMINAL)
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Put the drawing in its place on the page."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n```mermaid\n{drawing()}```\n{END}{tail}"


def _words(event: Event) -> str:
    return str(event).replace("_", " ")


if __name__ == "__main__":
    said = page(PAGE.read_text())
    if "--check" in sys.argv and said != PAGE.read_text():
        sys.exit(f"{PAGE} is not current: run {Path(__file__).name}")
    PAGE.write_text(said)
