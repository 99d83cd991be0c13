"""Who may do what: tokens, the roles they have, and the role that each route asks for.

Without a token the server listens on loopback only, and whoever reaches it may do everything.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path

from starlette.requests import Request

from jobyard.errors import Forbidden, InvalidSetting, Unauthorized


class Role(IntEnum):
    """What a token may do; each role may do what the ones below it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role as people write it."""
        return self.name.lower()


ROLES: Mapping[str, Role] = {
    "GET /jobs": Role.VIEWER,
    "GET /jobs/stream": Role.VIEWER,
    "GET /jobs/{job_id}": Role.VIEWER,
    "GET /jobs/{job_id}/attempts": Role.VIEWER,
    "GET /jobs/{job_id}/events": Role.VIEWER,
    "GET /jobs/{job_id}/events/{event_id}": Role.VIEWER,
    "GET /jobs/{job_id}/explain": Role.VIEWER,
    "GET /jobs/{job_id}/logs": Role.VIEWER,
    "GET /jobs/{job_id}/logs/stream": Role.VIEWER,
    "GET /jobs/{job_id}/progress": Role.VIEWER,
    "GET /datasets": Role.VIEWER,
    "GET /datasets/{namespace}/{name}": Role.VIEWER,
    "GET /datasets/{namespace}/{name}/versions": Role.VIEWER,
    "GET /datasets/{namespace}/{name}/versions/{revision}": Role.VIEWER,
    "GET /datasets/{namespace}/{name}/versions/{revision}/jobs": Role.VIEWER,
    "GET /datasets/{namespace}/{name}/versions/{revision}/manifest": Role.VIEWER,
    "GET /manifests": Role.VIEWER,
    "GET /manifests/{manifest_hash}": Role.VIEWER,
    "GET /manifests/{manifest_hash}/datasets": Role.VIEWER,
    "GET /metrics": Role.VIEWER,
    "GET /providers": Role.VIEWER,
    "GET /providers/{provider_name}": Role.VIEWER,
    "GET /files/{file_id}": Role.VIEWER,
    "GET /revisions": Role.VIEWER,
    "GET /revisions/{revision_id}": Role.VIEWER,
    "GET /revisions/{revision_id}/files": Role.VIEWER,
    "GET /workers": Role.VIEWER,
    "GET /workers/{worker_id}": Role.VIEWER,
    "DELETE /jobs": Role.OPERATOR,
    "DELETE /jobs/{job_id}": Role.OPERATOR,
    "PUT /jobs/{job_id}/cancel": Role.OPERATOR,
    "PUT /jobs/{job_id}/resume": Role.OPERATOR,
    "PUT /jobs/{job_id}/retry": Role.OPERATOR,
    "PUT /jobs/{job_id}/stop": Role.OPERATOR,
    "PUT /jobs/{job_id}/suspend": Role.OPERATOR,
    "PUT /workers/{worker_id}/drain": Role.OPERATOR,
    "PUT /workers/{worker_id}/resume": Role.OPERATOR,
    "DELETE /datasets/{namespace}/{name}": Role.ADMIN,
    "DELETE /datasets/{namespace}/{name}/versions/{revision}": Role.ADMIN,
    "DELETE /manifests": Role.ADMIN,
    "DELETE /manifests/{manifest_hash}": Role.ADMIN,
    "DELETE /providers/{provider_name}": Role.ADMIN,
    "DELETE /revisions/{revision_id}": Role.ADMIN,
    "DELETE /revisions/{revision_id}/prune": Role.ADMIN,
    "DELETE /revisions/{revision_id}/truncate": Role.ADMIN,
    "PATCH /jobs/{job_id}": Role.ADMIN,
    "POST /apply": Role.ADMIN,
    "POST /datasets": Role.ADMIN,
    "POST /datasets/{namespace}/{name}/versions/{revision}/deploy": Role.ADMIN,
    "POST /datasets/{namespace}/{name}/versions/{revision}/rematerialize": Role.ADMIN,
    "POST /datasets/{namespace}/{name}/versions/{revision}/restore": Role.ADMIN,
    "POST /datasets/{namespace}/{name}/versions/{revision}/tables/{table_name}/restore": Role.ADMIN,
    "POST /jobs": Role.ADMIN,
    "POST /manifests": Role.ADMIN,
    "POST /schema": Role.OPERATOR,
    "POST /providers": Role.ADMIN,
    "POST /revisions": Role.ADMIN,
    "POST /revisions/deactivate": Role.ADMIN,
    "POST /revisions/{revision_id}/activate": Role.ADMIN,
    "POST /revisions/{revision_id}/restore": Role.ADMIN,
}
"""The role that each route asks for, by method and path. Whoever submits runs programs."""

OPEN = ("/healthz", "/readyz")
"""Paths that ask for no token: whoever watches the server has none."""

_WORDS = {role.word: role for role in Role}
_SCHEME = "bearer"
_CHALLENGE = 'Bearer realm="jobyard"'
_STRANGERS = stat.S_IRWXG | stat.S_IRWXO


class Tokens:
    """The tokens that a server knows. They are kept and compared as digests, all of them always."""

    def __init__(self, roles: Iterable[tuple[Role, str]] = ()) -> None:
        """Know each token with its role."""
        self._roles = [(_digest(token), role) for role, token in roles]

    def __bool__(self) -> bool:
        """Tell whether there is any; without one nobody is asked for a token."""
        return bool(self._roles)

    def role_of(self, token: str) -> Role | None:
        """Find a token's role, in a time that says nothing about the tokens that there are."""
        found = None
        presented = _digest(token)
        for known, role in self._roles:
            if hmac.compare_digest(known, presented):
                found = role
        return found

    def admit(self, authorization: str | None) -> Role:
        """Find the role of whoever sends this `Authorization` header.

        Raises:
            Unauthorized: there is none, or its token is not known.
        """
        if not self._roles:
            return Role.ADMIN
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != _SCHEME or not token.strip():
            raise Unauthorized(
                "this server asks for a token",
                hint="send `Authorization: Bearer TOKEN`; commands take --auth-token",
            )
        role = self.role_of(token.strip())
        if role is None:
            raise Unauthorized("this token is not known here")
        return role


def challenge(*, presented: bool) -> dict[str, str]:
    """Make the header that tells a refused client how to introduce itself."""
    wrong = ', error="invalid_token"' if presented else ""
    return {"WWW-Authenticate": _CHALLENGE + wrong}


async def allow(request: Request) -> None:
    """Let a request that has been admitted through to its route, if its role may.

    Raises:
        Forbidden: the route asks for a higher role.
    """
    path = request.scope["route"].path
    if path in OPEN:
        return
    role: Role = request.scope["jobyard.role"]
    needed = ROLES[f"{request.method} {path}"]
    if role < needed:
        raise Forbidden(
            f"{request.method} {request.url.path} asks for the role {needed.word}, "
            f"this token has the role {role.word}",
            hint=f"use a token of the role {needed.word}",
            role=role.word,
            needed=needed.word,
        )


def read_tokens(path: Path | None, token: str | None) -> Tokens:
    """Gather the tokens of a file, and one that may do everything.

    Raises:
        InvalidSetting: the file cannot be read, is open to others, or has a line that is none.
    """
    found = list(_of_file(path)) if path is not None else []
    if token is not None:
        found.append((Role.ADMIN, _sound(token, "JOBYARD_TOKEN")))
    if path is not None and not found:
        raise InvalidSetting(f"{path} has no token", hint="a line is `role:token`")
    return Tokens(found)


def _of_file(path: Path) -> Iterator[tuple[Role, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidSetting(f"the token file {path} cannot be read: {why}") from error
    if mode & _STRANGERS:
        raise InvalidSetting(
            f"the token file {path} is open to others", hint=f"run `chmod 600 {path}`"
        )
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        word, colon, token = (part.strip() for part in written.partition(":"))
        if not colon or word.lower() not in _WORDS:
            # The line is not shown: it may be a token.
            raise InvalidSetting(
                f"line {number} of {path} is not `role:token`",
                hint=f"a role is one of {', '.join(_WORDS)}",
            )
        yield _WORDS[word.lower()], _sound(token, f"line {number} of {path}")


def _sound(token: str, where: str) -> str:
    """Check that a token can be sent in a header."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidSetting(
            f"the token of {where} cannot be sent",
            hint="a token has visible ASCII characters, no space: `openssl rand -hex 32` makes one",
        )
    return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
