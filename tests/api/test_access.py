"""Tokens and roles: who may do what, and that nobody else may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import httpx
import pytest

from jobyard.api.access import OPEN, ROLES, Role, Tokens, read_tokens
from jobyard.api.app import make_app
from jobyard.api.serve import Server
from jobyard.errors import InvalidSetting

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from fastapi import FastAPI

    from jobyard.store.base import LogStore, Store

VIEWER, OPERATOR, ADMIN = "see-" + "a" * 30, "do-" + "b" * 30, "all-" + "c" * 30
TOKENS = Tokens([(Role.VIEWER, VIEWER), (Role.OPERATOR, OPERATOR), (Role.ADMIN, ADMIN)])
DESCRIBED = make_app(cast("Store", None), cast("LogStore", None)).openapi()
ROUTES = sorted(
    f"{method.upper()} {path}"
    for path, methods in DESCRIBED["paths"].items()
    for method in methods
    if path not in OPEN
)


class Reached(Exception):
    """The desk was reached: the request was let through."""


class _Store:
    """A store that tells whether it was asked."""

    def __getattr__(self, name: str) -> Any:
        def reached(*args: Any, **named: Any) -> Any:
            raise Reached

        return reached


def app(tokens: Tokens = TOKENS, **options: Any) -> FastAPI:
    store = _Store()
    return make_app(cast("Store", store), cast("LogStore", store), tokens=tokens, **options)


def ask(
    method: str, path: str, token: str | None = None, *, to: FastAPI | None = None, **headers: str
) -> httpx.Response:
    """Ask, with a path whose places are filled; 500 means that the store was reached."""
    names = {"namespace": "_", "name": "eth", "revision": "1.0.0", "provider_name": "p"}
    names |= {"revision_id": "1", "file_id": "1", "table_name": "blocks"}
    path = path.format(job_id=1, event_id=1, worker_id="w", manifest_hash="a" * 64, **names)
    if token is not None:
        headers["authorization"] = f"Bearer {token}"

    async def work() -> httpx.Response:
        transport = httpx.ASGITransport(to or app())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(work())


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_has_a_role_and_asks_for_it(route: str) -> None:
    method, path = route.split(" ")
    for role, token in ((Role.VIEWER, VIEWER), (Role.OPERATOR, OPERATOR), (Role.ADMIN, ADMIN)):
        answer = ask(method, path, token)
        if role >= ROLES[route]:
            assert answer.status_code not in (401, 403), route
        else:
            assert answer.status_code == 403
            problem = answer.json()
            assert problem["error_code"] == "FORBIDDEN"
            assert (problem["role"], problem["needed"]) == (role.word, ROLES[route].word)
            assert ROLES[route].word in problem["detail"]


@pytest.mark.parametrize("route", [*ROUTES, "GET /openapi.json", "GET /nothing", "POST /jobs/1"])
def test_nothing_is_told_to_a_stranger(route: str) -> None:
    method, path = route.split(" ")
    for token in (None, "", "guess", ADMIN[:-1], ADMIN + "x", "a b"):
        answer = ask(method, path, None if token is None else token)
        assert answer.status_code == 401
        assert answer.json()["error_code"] == "UNAUTHORIZED"
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", OPEN)
def test_whoever_watches_needs_no_token(path: str) -> None:
    assert ask("GET", path).status_code != 401


def test_another_scheme_is_no_token() -> None:
    for sent in (f"Basic {ADMIN}", ADMIN, f"Bearer{ADMIN}"):
        assert ask("GET", "/jobs", authorization=sent).status_code == 401
    assert ask("GET", "/jobs", authorization=f"bearer  {ADMIN} ").status_code == 500


def test_the_table_of_roles_has_every_route_and_no_other() -> None:
    assert sorted(ROLES) == ROUTES


def test_changing_routes_ask_for_more_than_a_viewer() -> None:
    assert [route for route in ROUTES if ROLES[route] is Role.VIEWER and route[:4] != "GET "] == []
    assert [route for route in ROUTES if ROLES[route] > Role.VIEWER and route[:4] == "GET "] == []
    programs = {"POST /jobs", "POST /apply", "PATCH /jobs/{job_id}"}
    nouns = ("/datasets", "/manifests", "/providers", "/revisions")
    kept = {
        route for route in ROUTES if route[:4] != "GET " and route.split(" ")[1].startswith(nouns)
    }
    assert {route for route in ROLES if ROLES[route] is Role.ADMIN} == programs | kept


def test_without_tokens_everybody_who_reaches_it_may_do_everything() -> None:
    assert ask("GET", "/jobs", to=app(Tokens())).status_code == 500


def test_a_token_does_not_make_another_name_ours() -> None:
    named = app(hosts=["jobs.example"])
    for host in ("evil.example", "jobs.example.evil", ""):
        assert ask("GET", "/jobs", ADMIN, to=named, host=host).status_code == 403
    for host in ("jobs.example", "JOBS.example:1610", "192.0.2.7:1610", "[2001:db8::1]"):
        assert ask("GET", "/jobs", ADMIN, to=named, host=host).status_code == 500
    assert ask("GET", "/jobs", to=app(Tokens()), host="192.0.2.7").status_code == 403


def test_a_page_of_another_site_is_refused_even_with_a_token() -> None:
    answer = ask("GET", "/jobs", ADMIN, origin="http://evil.example")

    assert (answer.status_code, answer.json()["error_code"]) == (403, "FORBIDDEN")


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_names_roles_and_tokens(tmp_path: Path) -> None:
    text = f"# ours\n\n viewer: {VIEWER}\nOperator:{OPERATOR} \nadmin:a:b\n"

    tokens = read_tokens(write(tmp_path / "t", text), "of-the-environment")

    found = [tokens.role_of(token) for token in (VIEWER, OPERATOR, "a:b", "of-the-environment")]
    assert found == [Role.VIEWER, Role.OPERATOR, Role.ADMIN, Role.ADMIN]
    assert tokens.role_of("# ours") is None


def test_without_file_and_token_nobody_is_asked() -> None:
    assert not read_tokens(None, None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(InvalidSetting, match="open to others"):
        read_tokens(write(tmp_path / "t", f"admin:{ADMIN}", mode), None)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "s3cret", "root:s3cret", "admin:", "admin:s3 cret", "admin:s3crét"]
)
def test_a_file_without_sound_tokens_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        read_tokens(write(tmp_path / "t", text), None)

    assert "cret" not in str(refused.value) + str(refused.value.hint)


def test_a_file_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="cannot be read"):
        read_tokens(tmp_path / "none", None)


def test_a_token_that_no_header_can_carry_is_refused() -> None:
    for token in ("", "a b", "a\nb", "ü"):
        with pytest.raises(InvalidSetting):
            read_tokens(None, token)


def test_only_a_server_that_asks_for_tokens_listens_beyond_loopback() -> None:
    with pytest.raises(InvalidSetting, match="will not listen"):
        Server(app(), "0.0.0.0", 0)
    server = Server(app(), "0.0.0.0", 0, asks_for_tokens=True)
    server.close()


def test_the_description_says_that_tokens_are_asked_for() -> None:
    (scheme,) = DESCRIBED["components"]["securitySchemes"].values()

    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert {"token": []} in DESCRIBED["security"]
    for path, methods in DESCRIBED["paths"].items():
        for operation in methods.values():
            assert ("401" in operation["responses"]) == (path not in OPEN)
