"""The attempt channel: how a program speaks to its worker. Standard library only.

A program that Jobyard runs may say how far it is and what came out::

    from jobyard import channel

    done = channel.last_checkpoint() or 0
    for number in range(done, 100):
        work(number)
        channel.checkpoint(number + 1)
        channel.progress(number + 1, 100)
    channel.result({"worked": 100})

It finds its worker through JOBYARD_ATTEMPT_URL and JOBYARD_ATTEMPT_TOKEN.
"""

from jobyard.channel.client import (
    Channel,
    ChannelError,
    checkpoint,
    last_checkpoint,
    progress,
    publish,
    result,
)

__all__ = [
    "Channel",
    "ChannelError",
    "checkpoint",
    "last_checkpoint",
    "progress",
    "publish",
    "result",
]
