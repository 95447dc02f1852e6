"""The tables, as far as Python needs them; `migrations/` has their constraints and reasons."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

_METADATA = MetaData(schema="auth")
_TIME = DateTime(timezone=True)

USERS = Table(
    "user_account",
    _METADATA,
    Column("user_id", Text, primary_key=True),
    Column("login", Text),
    Column("display_name", Text),
    Column("password_hash", Text),
    Column("roles", ARRAY(Text)),
)

SESSIONS = Table(
    "session",
    _METADATA,
    Column("session_id", Text, primary_key=True),
    Column("user_id", Text),
    Column("refresh_hash", LargeBinary),
    Column("created_at", _TIME),
    Column("expires_at", _TIME),
)

ACCESS_TOKENS = Table(
    "access_token",
    _METADATA,
    Column("jti", Text, primary_key=True),
    Column("session_id", Text),
    Column("expires_at", _TIME),
)

REVOCATIONS = Table(
    "revocation",
    _METADATA,
    Column("user_id", Text, primary_key=True),
    Column("jti", Text, primary_key=True),
    Column("not_before", _TIME),
    Column("matters_until", _TIME),
    Column("revoked_at", _TIME),
)

BANS = Table(
    "ban",
    _METADATA,
    Column("user_id", Text, primary_key=True),
    Column("banned_at", _TIME),
)

TOMBSTONES = Table(
    "tombstone",
    _METADATA,
    Column("user_id", Text, primary_key=True),
    Column("erased_at", _TIME),
)

AUDIT = Table(
    "audit",
    _METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("at", _TIME),
    Column("actor", Text),
    Column("action", Text),
    Column("user_id", Text),
    Column("reason", Text),
    Column("detail", JSONB),
)

REVOCATION_REVISION = Table("revocation_revision", _METADATA, Column("revision", BigInteger))

SIGNING_KEYS = Table(
    "signing_key",
    _METADATA,
    Column("kid", Text, primary_key=True),
    Column("sealed", LargeBinary),
    Column("state", Text),
    Column("published_at", _TIME),
    Column("activated_at", _TIME),
    Column("retired_at", _TIME),
)
