"""Run extractions in this process, and draw how far each table is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard import clock
from jobyard.cli.live import Live
from jobyard.cli.run_here import Here
from jobyard.cli.shown import progress_page
from jobyard.cli.watch import LOOK, Drawing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from jobyard.config import Settings
    from jobyard.core.job import JobSpec

    Object = Mapping[str, Any]


class Lines(Live):
    """Shows what programs say, above the drawing, and no line of progress."""

    def __init__(self, out: Any, woken: Callable[[], None]) -> None:
        """Show nothing yet."""
        super().__init__(out, woken)
        self.drawing = Drawing()

    def output(self, key: tuple[int, int], job_id: int, index: int | None, data: bytes) -> None:
        """Show lines; the next drawing goes below them."""
        self.drawing.forget()
        super().output(key, job_id, index, data)

    def progress(self, jobs: Collection[Object]) -> None:
        """Leave it to the drawing."""


class Watched(Here):
    """An engine that draws the progress of its extractions whenever the jobs are looked at."""

    def __init__(self, settings: Settings, specs: Sequence[JobSpec], lines: Lines) -> None:
        """Run ``specs``; ``lines`` sees what they print."""
        super().__init__(settings, specs, lines)
        self._drawing = lines.drawing
        self._drawn_at = 0.0

    async def look(self, job_ids: Sequence[int]) -> list[Object]:
        """Read the jobs, and draw how far those that extract are."""
        found = await super().look(job_ids)
        now = clock.monotonic()
        if now - self._drawn_at >= LOOK:
            self._drawn_at = now
            extracting = [job["id"] for job in found if job["spec"].get("extract")]
            if extracting:
                self.draw([await self.desk.progress(job_id) for job_id in extracting])
        return found

    def draw(self, progress: Sequence[Object]) -> None:
        """Draw how far some jobs are, over the last drawing."""
        self._drawing.draw("\n\n".join(progress_page(one) for one in progress))


def place_for(
    settings: Settings,
    specs: Sequence[JobSpec],
    out: Any,
    woken: Callable[[], None],
    *,
    watch: bool,
) -> tuple[Here, Live]:
    """Make the engine for some jobs, and what shows their output on ``out``."""
    if watch:
        lines = Lines(out, woken)
        return Watched(settings, specs, lines), lines
    live = Live(out, woken)
    return Here(settings, specs, live), live
