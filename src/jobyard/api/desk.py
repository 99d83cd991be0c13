"""The desk: what people may ask of jobs and workers, answered in the shapes of ``wire``.

The HTTP routes answer from here, and so do commands that work on a state folder without a
server; it needs no web framework. Its parts by noun are in ``desks``.
"""

from __future__ import annotations

from jobyard.api.desks.datasets import DatasetDesk
from jobyard.api.desks.jobs import JobDesk
from jobyard.api.desks.life import LifeDesk
from jobyard.api.desks.output import OutputDesk
from jobyard.api.desks.providers import ProviderDesk
from jobyard.api.desks.story import StoryDesk
from jobyard.api.desks.tables import TableDesk
from jobyard.api.desks.workers import WorkerDesk


class Desk(
    JobDesk, LifeDesk, StoryDesk, OutputDesk, WorkerDesk, DatasetDesk, TableDesk, ProviderDesk
):
    """Takes requests for one store, whichever way they came."""
