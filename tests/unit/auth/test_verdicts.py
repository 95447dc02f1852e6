"""Judging tokens of our own and of other issuers, by the keys that they publish."""

import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm
from pydantic import SecretStr

from libs.common.clock import system_clock
from libs.common.contracts.identities import Judgement, Revocation, Verdict
from libs.common.errors import Unauthenticated, Unavailable, refusal
from libs.common.tokens import Audience, KeySet, TokenType, Verifier
from services.auth.credentials.keys import KeyRing, KeySeal
from services.auth.domain.claims import access_claims, context_claims
from services.auth.domain.keys import upkeep
from services.auth.usecases.verdicts import Caller, ForeignIssuer, Identify, Judge
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


class StoppedClock:
    """Stands at the moment when it was made, so that equal claims are equal tokens."""

    def __init__(self) -> None:
        self._now = system_clock.now()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 0.0


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
        identify = Identify(own, foreign, self.revoked)
        self.judgements = Judge(identify.each, self.ring.sign, StoppedClock())

    async def judge(self, token: str) -> Verdict:
        """The verdict on one token. Raises what it was refused with."""
        [judgement] = await self.judgements([token])
        if judgement.verdict is None:
            raise refusal(judgement.refusal, "", 0)
        return judgement.verdict

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


def own_token(
    court: Court, *, user_id: str = "alice", seconds: int = 300, now: datetime | None = None
) -> str:
    claims = access_claims(
        user_id=user_id,
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


class Docket:
    """Tokens of every kind by name, and a court that knows what was revoked."""

    def __init__(self, rsa: RSAPrivateKey, *, issuer_answers: bool) -> None:
        foreign = foreign_issuer(rsa, AUTH0, "roles")
        self.court = Court(foreign if issuer_answers else ForeignIssuer(_deaf(), "roles"))
        alice = own_token(self.court)
        header, payload, signature = alice.split(".")
        self.tokens = {
            "own": alice,
            "revoked": own_token(self.court, user_id="bob"),
            "signed out": own_token(self.court, user_id="carol"),
            "expired": own_token(self.court, now=datetime(2026, 1, 1, tzinfo=UTC)),
            "forged": own_token(Court()),
            "cut": f"{header}.{payload}.{signature[:-4]}",
            "foreign": foreign_token(rsa, AUTH0, sub="dave", jti="j2"),
            "foreign, as ours": foreign_token(rsa, AUTH0, sub="u_" + "0" * 32, jti="j3"),
            "of a stranger": foreign_token(rsa, ENTRA, sub="erin", jti="j4"),
            "too long": "a" * 9000,
            "no token": "\0\ud800",
            "empty": "",
        }
        self.court.revoked.put(Revocation(user_id="bob", jti="j1"))
        self.court.revoked.put(Revocation(user_id="carol", not_before=system_clock.now()))


def _deaf() -> Verifier:
    async def fetch() -> Mapping[str, Any]:
        raise OSError("no answer")

    return Verifier(KeySet(fetch), issuer="nobody", audience=AUDIENCE, token_type=None)


@pytest.fixture(scope="module")
def dockets(rsa: RSAPrivateKey) -> list[Docket]:
    return [Docket(rsa, issuer_answers=answers) for answers in (True, False)]


NAMES = [
    "own", "revoked", "signed out", "expired", "forged", "cut", "foreign", "foreign, as ours",
    "of a stranger", "too long", "no token", "empty",
]  # fmt: skip


@given(names=st.lists(st.sampled_from(NAMES), max_size=20), which=st.integers(0, 1))
async def test_a_batch_says_what_would_be_said_of_each_alone(
    dockets: list[Docket], names: list[str], which: int
) -> None:
    docket = dockets[which]
    tokens = [docket.tokens[name] for name in names]

    together = await docket.court.judgements(tokens)

    assert together == [(await docket.court.judgements([token]))[0] for token in tokens]


async def test_the_kinds_of_tokens_are_told_apart(dockets: list[Docket]) -> None:
    """Or all that the property above compares might be refusals."""
    said = []
    for docket in dockets:
        judgements = await docket.court.judgements([docket.tokens[name] for name in NAMES])
        said.append(dict(zip(NAMES, judgements, strict=True)))
    answering, deaf = said

    assert sorted(name for name, found in answering.items() if found.verdict) == ["foreign", "own"]
    assert sorted(name for name, found in deaf.items() if found.verdict) == ["own"]
    assert {found.refusal for found in answering.values()} == {"", "unauthenticated"}
    assert {found.refusal for found in deaf.values()} == {"", "unauthenticated", "unavailable"}
    assert deaf["too long"].refusal == deaf["no token"].refusal == "unauthenticated"


async def test_while_the_store_is_silent_only_valid_tokens_have_to_come_again() -> None:
    court = Court()

    async def ended(callers: Collection[Caller]) -> set[Caller]:
        raise Unavailable("silent")

    court.revoked.ended = ended  # type: ignore[method-assign]

    found = await court.judgements(["no token", own_token(court)])

    assert [judgement.refusal for judgement in found] == ["unauthenticated", "unavailable"]


async def test_a_token_that_breaks_the_judge_spoils_no_other() -> None:
    class Fragile(Verifier):
        async def verify(self, token: str) -> Any:
            raise RuntimeError("a bug")

    court = Court(
        ForeignIssuer(Fragile(KeySet(_nothing), issuer="", audience="", token_type=None), "")
    )

    found = await court.judgements(["whatever", own_token(court), "again"])

    assert [judgement.refusal for judgement in found] == ["unavailable", "", "unavailable"]
    assert isinstance(found[1], Judgement)


async def _nothing() -> Mapping[str, Any]:
    return {"keys": []}
