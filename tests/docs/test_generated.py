"""What is generated is current: a command, a setting or an error without its page fails here."""

from __future__ import annotations

import generate


def test_every_generated_file_is_current() -> None:
    stale = [
        str(path)
        for path, text in generate.generated().items()
        if not (generate.ROOT / path).exists() or (generate.ROOT / path).read_text() != text
    ]

    assert stale == []
