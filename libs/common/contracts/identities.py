"""What `auth` says: who a caller is, what they may do, and whose tokens no longer count."""

from datetime import datetime

from pydantic import Field

from libs.common.contracts.values import Contract

MAX_QUERY_TOKENS = 64


class VerdictQuery(Contract):
    """Bearer tokens, each to be judged by itself, whatever the others are."""

    tokens: list[str] = Field(max_length=MAX_QUERY_TOKENS)


class Verdict(Contract):
    """
    Who a valid token speaks for.

    `context` is the proof for other services: a JWT of at most 60 s, signed by auth.
    `expires_at` is the token's own end; nobody may use the verdict after it.
    """

    user_id: str
    jti: str
    roles: list[str]
    permissions: list[str]
    issued_at: datetime
    expires_at: datetime
    context: str
    context_expires_at: datetime


class Judgement(Contract):
    """What is to be said of one token: a verdict, or the code of a refusal."""

    verdict: Verdict | None = None
    refusal: str = Field(default="", description="a code of `libs.common.errors`, or a verdict")


class Judgements(Contract):
    """The answer to a `VerdictQuery`, in its order."""

    items: list[Judgement]


class Revocation(Contract):
    """Either one token (`jti`), or all of a user's tokens issued before `not_before`."""

    user_id: str
    jti: str = ""
    not_before: datetime | None = None


class RevocationList(Contract):
    """Every revocation that can still matter; `etag` changes whenever the list does."""

    etag: str
    revocations: list[Revocation]


class Names(Contract):
    """Current display names by user id; unknown users are left out."""

    names: dict[str, str]
