"""What the fuzzer may not expect, operation by operation, with the reason."""

from typing import Any

# A refusal of what the schema allows is right here, because JSON Schema cannot say the rule.
STRICTER_THAN_THE_SCHEMA = {
    # What a login, a password and a name may hold is said of Unicode: NFKC, categories, trimming.
    "POST /api/auth/register",
    "POST /api/auth/login",
    "PATCH /api/auth/me",
    # What a selector selects by depends on several of its fields together.
    "POST /api/admin/reversals",
    "POST /internal/admin/reversals",
    # The action must be over before the grant ends.
    "POST /api/grants",
    # Which roles there are is not for a contract to say: an installation may have others.
    "PUT /api/admin/users/{user_id}/roles",
    "POST /internal/access-tokens",
    # A key, or a grant, or both.
    "POST /internal/increments",
    # Ids between commas, each of them at most 64 characters.
    "GET /internal/names",
    # 2.0 is an integer to JSON Schema; to us nobody should write points or an epoch like that.
    "POST /api/scores",
    "POST /internal/epochs",
    # A time or the number of an entry, as the gateway's document says in full.
    "GET /internal/admin/users/{user_id}/ledger",
}

_OFF = {"positive_data_acceptance": {"enabled": False}}

OPERATIONS: list[dict[str, Any]] = [
    {"include-name": name, "checks": _OFF} for name in sorted(STRICTER_THAN_THE_SCHEMA)
]
