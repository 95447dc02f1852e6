"""The life of signing keys, and the ring that uses them."""

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from itertools import count

import jwt
import pytest
from pydantic import SecretStr

from libs.common.errors import Conflict
from libs.common.tokens import ALGORITHM, REFRESH_SECONDS, TokenType
from services.auth.credentials.keys import KeyRing, KeySeal, WrongSecret
from services.auth.domain.claims import LONGEST_ACCESS_SECONDS
from services.auth.domain.keys import (
    CACHE_SECONDS,
    KEPT_AFTER_USE,
    PUBLISHED_BEFORE_USE,
    KeyState,
    SigningKey,
    rotated,
    upkeep,
)

BIRTH = datetime(2030, 1, 1, tzinfo=UTC)
MAX_AGE = timedelta(days=30)
SECRET = SecretStr("s" * 32)

_numbers = count()


def make(now: datetime) -> SigningKey:
    return SigningKey(f"key-{next(_numbers)}", b"sealed", KeyState.NEXT, published_at=now)


def ring_at_birth() -> tuple[SigningKey, ...]:
    return tuple(upkeep((), now=BIRTH, max_age=MAX_AGE, make=make))


def states(keys: object) -> list[KeyState]:
    assert isinstance(keys, tuple | list)
    return sorted(key.state for key in keys)


def test_a_ring_is_born_with_a_current_and_a_next_key() -> None:
    assert states(ring_at_birth()) == [KeyState.CURRENT, KeyState.NEXT]


def test_nothing_is_done_before_its_time() -> None:
    keys = ring_at_birth()

    almost = BIRTH + MAX_AGE - timedelta(seconds=1)

    assert upkeep(keys, now=almost, max_age=MAX_AGE, make=make) is keys


def test_an_old_key_makes_way_for_the_one_that_was_published() -> None:
    current, upcoming = ring_at_birth()

    keys = upkeep((current, upcoming), now=BIRTH + MAX_AGE, max_age=MAX_AGE, make=make)

    by_state = {key.state: key for key in keys}
    assert by_state[KeyState.CURRENT].kid == upcoming.kid
    assert by_state[KeyState.PREVIOUS].kid == current.kid
    assert by_state[KeyState.NEXT].kid not in (current.kid, upcoming.kid)


def test_the_first_two_keys_were_published_together_so_they_turn_at_once() -> None:
    assert states(rotated(ring_at_birth(), now=BIRTH, make=make)) == [
        KeyState.CURRENT,
        KeyState.NEXT,
        KeyState.PREVIOUS,
    ]


def test_a_key_signs_only_when_every_verifier_can_know_it() -> None:
    turned_at = BIRTH + timedelta(seconds=1)
    keys = rotated(ring_at_birth(), now=turned_at, make=make)
    ready_at = turned_at + PUBLISHED_BEFORE_USE

    with pytest.raises(Conflict):
        rotated(keys, now=ready_at - timedelta(seconds=1), make=make)

    assert rotated(keys, now=ready_at, make=make)
    assert PUBLISHED_BEFORE_USE.total_seconds() > REFRESH_SECONDS + CACHE_SECONDS


def test_a_previous_key_is_kept_until_its_last_token_has_ended() -> None:
    keys = rotated(ring_at_birth(), now=BIRTH, make=make)
    last = BIRTH + KEPT_AFTER_USE

    assert upkeep(keys, now=last - timedelta(seconds=1), max_age=MAX_AGE, make=make) is keys
    assert states(upkeep(keys, now=last, max_age=MAX_AGE, make=make)) == [
        KeyState.CURRENT,
        KeyState.NEXT,
    ]
    assert KEPT_AFTER_USE.total_seconds() > LONGEST_ACCESS_SECONDS


async def test_the_ring_publishes_all_keys_and_signs_with_the_current_one() -> None:
    seal = KeySeal(SECRET)
    keys = upkeep((), now=BIRTH, max_age=MAX_AGE, make=seal.make)
    ring = KeyRing(seal, issuer="us")
    ring.adopt(keys)

    token = ring.sign({"sub": "alice"}, TokenType.ACCESS)

    published = jwt.PyJWKSet.from_dict(dict(await ring.published()))
    header = jwt.get_unverified_header(token)
    current = next(key for key in keys if key.state is KeyState.CURRENT)
    assert {key.key_id for key in published} == {key.kid for key in keys}
    assert header == {"alg": ALGORITHM, "typ": TokenType.ACCESS, "kid": current.kid}
    claims = jwt.decode(token, published[current.kid], algorithms=[ALGORITHM])
    assert claims == {"iss": "us", "sub": "alice"}


def test_a_key_is_named_by_its_thumbprint() -> None:
    """RFC 8037 appendix A.3 has the thumbprint of this Ed25519 key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from services.auth.credentials import keys as module

    secret = urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    private = Ed25519PrivateKey.from_private_bytes(secret)

    assert module._thumbprint(module._public_jwk(private.public_key())) == (
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    )


def test_a_sealed_key_opens_with_its_secret_only() -> None:
    key = KeySeal(SECRET).make(BIRTH)

    private = KeySeal(SECRET).open(key)

    assert private.private_bytes_raw() not in key.sealed
    with pytest.raises(WrongSecret):
        KeySeal(SecretStr("t" * 32)).open(key)
