"""Tokens that auth did not make for the public edge: each is refused, none with a 5xx."""

import asyncio
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import digest
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm
from pydantic import SecretStr

from libs.common.clock import system_clock
from libs.common.identity import ISSUER
from libs.common.tokens import Audience, TokenType
from services.auth.credentials.keys import KeySeal
from services.auth.domain.keys import KeyState
from services.auth.store.database import Database
from services.auth.store.keys import PostgresKeyStore
from tests.fakes_auth import AuthClient, running, set_environment

Make = Callable[["Forge"], str]

THIEF = Ed25519PrivateKey.generate()
GONE = object()


@dataclass
class Forge:
    """Makes tokens; `real` is auth's own key, for tokens that are wrong in another way."""

    auth: AuthClient
    real: Ed25519PrivateKey
    kid: str
    canary: str

    def header(self, **changes: Any) -> dict[str, Any]:
        return _changed({"alg": "EdDSA", "typ": TokenType.ACCESS, "kid": self.kid}, changes)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(system_clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": Audience.PUBLIC,
            "sub": "mallory",
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(8),
            "roles": ["admin"],
        }
        return _changed(claims, changes)

    def signed(
        self,
        header: Mapping[str, Any],
        claims: Mapping[str, Any],
        key: Ed25519PrivateKey | None = None,
    ) -> str:
        text = f"{_part(header)}.{_part(claims)}"
        return f"{text}.{_base64((key or self.real).sign(text.encode()))}"

    def mac(self, secret: bytes) -> str:
        text = f"{_part(self.header(alg='HS256'))}.{_part(self.claims())}"
        return f"{text}.{_base64(digest(secret, text.encode(), sha256))}"

    def unsigned(self, **header: Any) -> str:
        return f"{_part(self.header(**header))}.{_part(self.claims())}."

    def real_jwk(self) -> dict[str, Any]:
        jwk = OKPAlgorithm.to_jwk(self.real.public_key(), as_dict=True)
        return jwk | {"kid": self.kid, "use": "sig", "alg": "EdDSA"}


def _changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (values | changes).items() if value is not GONE}


def _part(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _header(**changes: Any) -> Make:
    """Rightly signed, with a header that must not be accepted."""
    return lambda forge: forge.signed(forge.header(**changes), forge.claims())


def _claims(**changes: Any) -> Make:
    """Rightly signed, with claims that must not be accepted."""
    return lambda forge: forge.signed(forge.header(), forge.claims(**changes))


def _stolen(**changes: Any) -> Make:
    """Signed by a thief, who points at their own key."""
    return lambda forge: forge.signed(forge.header(**changes), forge.claims(), THIEF)


def _unsigned(alg: str) -> Make:
    return lambda forge: forge.unsigned(alg=alg)


def _pem(forge: Forge) -> bytes:
    return forge.real.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _thiefs_jwk() -> dict[str, Any]:
    return OKPAlgorithm.to_jwk(THIEF.public_key(), as_dict=True) | {"kid": "thief"}


def _past(seconds: int) -> int:
    return int(system_clock.now().timestamp()) - seconds


FORGED: dict[str, Make] = {
    **{f"alg {name}": _unsigned(name) for name in ("none", "None", "nOnE")},
    "alg none with a signature": _header(alg="none"),
    "no alg": _header(alg=GONE),
    "alg ES256": _header(alg="ES256"),
    "alg list": _header(alg=["EdDSA"]),
    "HS256 with the public key as PEM": lambda f: f.mac(_pem(f)),
    "HS256 with the public key as JWK": lambda f: f.mac(json.dumps(f.real_jwk()).encode()),
    "HS256 with the JWK Set": lambda f: f.mac(json.dumps({"keys": [f.real_jwk()]}).encode()),
    "HS256 with the raw public key": lambda f: f.mac(f.real.public_key().public_bytes_raw()),
    "HS256 with nothing": lambda f: f.mac(b""),
    "another key under our kid": _stolen(),
    "another key under its kid": _stolen(kid="thief"),
    "jwk in the header": _stolen(kid="thief", jwk=_thiefs_jwk()),
    "jwk in the header under our kid": _stolen(jwk=_thiefs_jwk()),
    "jku": lambda f: _stolen(kid="thief", jku=f.canary)(f),
    "jku under our kid": lambda f: _stolen(jku=f.canary)(f),
    "x5u": lambda f: _stolen(kid="thief", x5u=f.canary)(f),
    "x5c": _stolen(kid="thief", x5c=["MIIB"]),
    "empty signature": lambda f: f.unsigned(),
    "half a signature": lambda f: f.signed(f.header(), f.claims())[:-40],
    "another token's signature": lambda f: (
        f.signed(f.header(), f.claims()).rpartition(".")[0]
        + "."
        + f.signed(f.header(), f.claims(sub="bob")).rpartition(".")[2]
    ),
    "four parts": lambda f: f.signed(f.header(), f.claims()) + ".e30",
    "one part": lambda _: "e30",
    "nothing": lambda _: "",
    "not base64": lambda _: "é.é.é",
    "crit unknown": _header(crit=["exp"]),
    "crit empty": _header(crit=[]),
    "crit b64": _header(crit=["b64"], b64=False),
    "b64 false": _header(b64=False),
    "kid missing": _header(kid=GONE),
    "kid null": _header(kid=None),
    "kid number": _header(kid=7),
    "kid list": _header(kid=["a"]),
    "kid empty": _header(kid=""),
    "kid path": _header(kid="../../../../dev/null"),
    "kid sql": _header(kid="' OR 1=1 --"),
    "kid with NUL": lambda f: _header(kid=f.kid + "\0")(f),
    "kid with newline": lambda f: _header(kid=f.kid + "\n")(f),
    "kid of 5 kB": _header(kid="k" * 5000),
    "kid not ASCII": _header(kid="кид"),
    "typ missing": _header(typ=GONE),
    "typ JWT": _header(typ="JWT"),
    "typ of a context": _header(typ=TokenType.CONTEXT),
    "typ of a service": _header(typ=TokenType.SERVICE),
    "header of brackets": lambda _: _base64(b"[" * 5000) + ".e30.AA",
    "header that nests": lambda _: _base64(b'{"a":' * 1100) + ".e30.AA",
    **{
        f"{name} missing": _claims(**{name: GONE})
        for name in ("iss", "aud", "sub", "iat", "exp", "jti")
    },
    **{
        f"{name} null": _claims(**{name: None})
        for name in ("iss", "aud", "sub", "iat", "exp", "jti")
    },
    **{
        f"{name} object": _claims(**{name: {}})
        for name in ("iss", "aud", "sub", "iat", "exp", "jti")
    },
    "iss with more": _claims(iss=ISSUER + "/"),
    "iss list": _claims(iss=[ISSUER]),
    "aud of score": _claims(aud=Audience.SCORE),
    "aud internal": _claims(aud=Audience.INTERNAL),
    "aud part": _claims(aud="live"),
    "sub number": _claims(sub=1),
    "sub empty": _claims(sub=""),
    "sub too long": _claims(sub="s" * 65),
    "sub with space": _claims(sub="al ice"),
    "sub not ASCII": _claims(sub="\u202ealice"),
    "jti number": _claims(jti=1),
    "exp text": _claims(exp="never"),
    "exp infinite": _claims(exp=float("inf")),
    "exp not a number": _claims(exp=float("nan")),
    "expired": lambda f: _claims(exp=_past(6))(f),
    "expired long ago": _claims(exp=1),
    "issued tomorrow": lambda f: _claims(iat=_past(-86_400))(f),
    "not yet valid": lambda f: _claims(nbf=_past(-60))(f),
}


@pytest.fixture
async def forge(
    monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str
) -> AsyncGenerator[Forge]:
    set_environment(monkeypatch, database_url, redis_url)
    async with running() as auth:
        database = Database(database_url)
        keys = await PostgresKeyStore(database).load()
        await database.close()
        current = next(key for key in keys if key.state is KeyState.CURRENT)
        real = KeySeal(SecretStr("k" * 32)).open(current)
        yield Forge(auth, real, current.kid, canary="")


async def test_no_forged_token_is_accepted(forge: Forge) -> None:
    visits = 0

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        writer.close()

    gateway = await forge.auth.as_service("gateway")
    answers = {}
    async with await asyncio.start_server(visited, "127.0.0.1", 0) as canary:
        forge.canary = f"http://127.0.0.1:{canary.sockets[0].getsockname()[1]}/keys"
        for name, make in FORGED.items():
            answer = await forge.auth.post(
                "/internal/verdicts", json={"tokens": [make(forge)]}, headers=gateway
            )
            answers[name] = answer.json()["items"]

    refused = [{"verdict": None, "refusal": "unauthenticated"}]
    assert {name: said for name, said in answers.items() if said != refused} == {}
    assert visits == 0


async def test_the_same_tokens_made_rightly_are_accepted(forge: Forge) -> None:
    """Or the matrix above would prove nothing."""
    assert await forge.auth.judge(_header()(forge))
    assert await forge.auth.judge(_claims(aud=[Audience.PUBLIC])(forge))
    assert await forge.auth.judge(_claims(exp=_past(2))(forge))


async def test_a_token_too_long_to_read_is_refused(forge: Forge) -> None:
    token = _header(kid="k" * 10_000)(forge)

    assert not await forge.auth.judge(token)


async def test_no_internal_token_passes_at_the_public_edge_nor_a_public_one_inside(
    forge: Forge,
) -> None:
    service = (await forge.auth.as_service("gateway"))["Authorization"].removeprefix("Bearer ")
    public = await forge.auth.order_token("gateway", roles=["admin"])
    verdict = await forge.auth.judge(public)
    assert verdict
    context = verdict.context

    at_the_edge = await forge.auth.judgements([service, context])
    me = [
        (
            await forge.auth.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})
        ).status_code
        for token in (service, context)
    ]
    inside = [
        (
            await forge.auth.post(
                "/internal/verdicts",
                json={"tokens": [public]},
                headers={"Authorization": f"Bearer {token}"},
            )
        ).status_code
        for token in (public, context)
    ]

    assert {judgement.refusal for judgement in at_the_edge} == {"unauthenticated"}
    assert me + inside == [401] * 4


async def test_the_library_is_new_enough_for_its_advisories() -> None:
    assert tuple(int(part) for part in jwt.__version__.split(".")[:2]) >= (2, 13)
