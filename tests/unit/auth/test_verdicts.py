"""Judging tokens of our own and of other issuers, by the keys that they publish."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm
from pydantic import SecretStr

from libs.common.clock import system_clock
from libs.common.contracts.identities import Verdict
from libs.common.errors import Unauthenticated
from libs.common.tokens import Audience, KeySet, TokenType, Verifier
from services.auth.credentials.keys import KeyRing, KeySeal
from services.auth.domain.claims import access_claims, context_claims
from services.auth.domain.keys import upkeep
from services.auth.usecases.verdicts import ForeignIssuer, Identify, Judge
from tests.fakes_auth import MemoryRevocationStore

OWN_ISSUER = "us"
AUDIENCE = "scoreboard-api"

# What the providers publish, with the numbers of the test's key put in: (JWKS, kid, issuer).
KEYCLOAK = (
    {
        "keys": [
            {"kid": "kc-enc", "kty": "RSA", "alg": "RSA-OAEP", "use": "enc", "x5c": ["MIIC"]},
            {"kid": "kc-sig_0-x", "kty": "RSA", "alg": "RS256", "use": "sig", "x5c": ["MIIC"],
             "x5t": "f6ESo5iBO-6GVyyj3sHgLYm9Hf8", "x5t#S256": "9gVq"},
        ]
    },
    "kc-sig_0-x",
    "https://id.example.com/realms/games",
)  # fmt: skip
AUTH0 = (
    {
        "keys": [
            {"alg": "RS256", "kty": "RSA", "use": "sig", "kid": "NjVBRjY5MDlCMUIwNzU4RTA2QzZF",
             "x5t": "NjVBRjY5", "x5c": ["MIIC"]},
        ]
    },
    "NjVBRjY5MDlCMUIwNzU4RTA2QzZF",
    "https://games.eu.auth0.com/",
)  # fmt: skip
ENTRA = (
    {
        "keys": [
            {"kty": "RSA", "use": "sig", "kid": "nOo3ZDrODXEK1jKWhXslHR_KXEg", "x5t": "nOo3",
             "x5c": ["MIIC"],
             "issuer": "https://login.microsoftonline.com/9188040d-6c67-4c5b/v2.0"},
        ]
    },
    "nOo3ZDrODXEK1jKWhXslHR_KXEg",
    "https://login.microsoftonline.com/9188040d-6c67-4c5b/v2.0",
)  # fmt: skip


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


class Court:
    """A `Judge` with its own key ring, and the keys of another issuer if there is one."""

    def __init__(self, foreign: ForeignIssuer | None = None) -> None:
        seal = KeySeal(SecretStr("s" * 32))
        self.ring = KeyRing(seal, issuer=OWN_ISSUER)
        now = system_clock.now()
        self.ring.adopt(upkeep((), now=now, max_age=timedelta(days=1), make=seal.make))
        self.fetches = 0
        self.revoked = MemoryRevocationStore()
        own = Verifier(
            KeySet(self._fetch),
            issuer=OWN_ISSUER,
            audience=Audience.PUBLIC,
            token_type=TokenType.ACCESS,
        )
        self.judge = Judge(Identify(own, foreign, self.revoked), self.ring.sign, system_clock)

    async def _fetch(self) -> Mapping[str, Any]:
        self.fetches += 1
        return await self.ring.published()


def foreign_issuer(
    rsa: RSAPrivateKey, shape: tuple[dict[str, Any], str, str], roles_claim: str
) -> ForeignIssuer:
    published, _, issuer = shape
    numbers = RSAAlgorithm.to_jwk(rsa.public_key(), as_dict=True)
    numbers.pop("key_ops", None)

    async def fetch() -> Mapping[str, Any]:
        return {"keys": [key | {"n": numbers["n"], "e": numbers["e"]} for key in published["keys"]]}

    verifier = Verifier(
        KeySet(fetch), issuer=issuer, audience=AUDIENCE, token_type=None, algorithm="RS256"
    )
    return ForeignIssuer(verifier, roles_claim)


def foreign_token(rsa: RSAPrivateKey, shape: tuple[dict[str, Any], str, str], **claims: Any) -> str:
    _, kid, issuer = shape
    now = int(system_clock.now().timestamp())
    standard = {"iss": issuer, "aud": AUDIENCE, "iat": now, "exp": now + 300}
    return jwt.encode(standard | claims, rsa, algorithm="RS256", headers={"kid": kid})


async def test_keycloak_roles_are_read(rsa: RSAPrivateKey) -> None:
    court = Court(foreign_issuer(rsa, KEYCLOAK, "realm_access.roles"))
    token = foreign_token(
        rsa,
        KEYCLOAK,
        sub="f3d1c2b4-0c57-4a86-8e6a-2f1f5f1f7f10",
        jti="onrtac:6b1c",
        aud=[AUDIENCE, "account"],
        typ="Bearer",
        realm_access={"roles": ["offline_access", "moderator", "default-roles-games"]},
    )

    verdict = await court.judge(token)

    assert verdict.roles == ["moderator"]
    assert "fraud:write" in verdict.permissions
    assert verdict.jti == "onrtac:6b1c"


async def test_auth0_roles_are_read(rsa: RSAPrivateKey) -> None:
    claim = "https://games.example.com/roles"
    court = Court(foreign_issuer(rsa, AUTH0, claim))
    token = foreign_token(
        rsa, AUTH0, sub="auth0|5f7c8ec7c33c6c004bbafe82", scope="openid", **{claim: ["ops"]}
    )

    verdict = await court.judge(token)

    assert verdict.user_id == "auth0|5f7c8ec7c33c6c004bbafe82"
    assert verdict.roles == ["ops"]


async def test_entra_roles_are_read_and_its_tokens_have_names(rsa: RSAPrivateKey) -> None:
    court = Court(foreign_issuer(rsa, ENTRA, "roles"))
    subject = "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"
    token = foreign_token(rsa, ENTRA, sub=subject, roles=["admin", "Task.Read"], uti="x", ver="2.0")

    verdict = await court.judge(token)
    await court.revoked.add(
        subject, verdict.jti, system_clock.now(), matters_until=verdict.expires_at
    )

    assert verdict.roles == ["admin"]
    assert len(verdict.jti) == 64
    with pytest.raises(Unauthenticated):
        await court.judge(token)


async def test_without_a_known_role_a_foreigner_is_a_player(rsa: RSAPrivateKey) -> None:
    court = Court(foreign_issuer(rsa, ENTRA, "roles"))

    verdict = await court.judge(foreign_token(rsa, ENTRA, sub="someone"))

    assert verdict.roles == ["player"]


async def test_our_own_tokens_count_beside_foreign_ones(rsa: RSAPrivateKey) -> None:
    court = Court(foreign_issuer(rsa, ENTRA, "roles"))

    assert (await court.judge(own_token(court))).user_id == "alice"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": OWN_ISSUER},
        {"aud": "another-api"},
        {"sub": "u_" + "0" * 32},
        {"sub": "with space"},
        {"jti": "with\0nothing"},
        {"jti": "j" * 129},
        {"exp": 1},
    ],
)
async def test_a_foreign_token_must_be_right_in_everything(
    rsa: RSAPrivateKey, wrong: dict[str, Any]
) -> None:
    court = Court(foreign_issuer(rsa, AUTH0, "roles"))

    with pytest.raises(Unauthenticated):
        await court.judge(foreign_token(rsa, AUTH0, **({"sub": "someone"} | wrong)))


async def test_a_foreign_token_means_nothing_without_a_foreign_issuer(rsa: RSAPrivateKey) -> None:
    with pytest.raises(Unauthenticated):
        await Court().judge(foreign_token(rsa, AUTH0, sub="someone", jti="j"))


def own_token(court: Court, *, seconds: int = 300, now: datetime | None = None) -> str:
    claims = access_claims(
        user_id="alice",
        roles=["player"],
        jti="j1",
        session="",
        now=now or system_clock.now(),
        seconds=seconds,
    )
    return court.ring.sign(claims, TokenType.ACCESS)


async def test_random_kids_cost_a_bounded_number_of_fetches() -> None:
    court = Court()
    refused = 0
    for _ in range(10_000):
        token = jwt.encode(
            {"sub": "x"}, "s" * 32, algorithm="HS256", headers={"kid": secrets.token_hex(8)}
        )
        try:
            await court.judge(token)
        except Unauthenticated:
            refused += 1

    assert refused == 10_000
    assert court.fetches <= 2
    assert isinstance(await court.judge(own_token(court)), Verdict)


async def test_a_verdict_ends_with_its_token() -> None:
    court = Court()

    verdict = await court.judge(own_token(court, seconds=20))

    assert verdict.context_expires_at == verdict.expires_at
    assert verdict.issued_at < verdict.expires_at


def test_a_context_lives_for_a_minute_at_most() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    claims = context_claims(
        user_id="alice",
        roles=["player"],
        permissions=["scores:write"],
        jti="j",
        now=now,
        expires_at=now + timedelta(hours=1),
    )

    assert claims["exp"] - claims["iat"] == 60
