"""What score reads from the environment."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from libs.common.contracts.values import MAX_TOTAL
from libs.common.settings import EnvSettings
from services.score.domain.bots import rules_with

Points = Annotated[int, Field(ge=1, le=MAX_TOTAL)]


class RoleBounds(BaseModel):
    """What a role may add; null: what everybody may."""

    model_config = ConfigDict(extra="forbid")

    per_request: Points | None = None
    per_day: Points | None = None
    grant_required: bool = False


class Settings(EnvSettings):
    """Units are in the names; every limit has a bound."""

    database_url: SecretStr
    redis_url: SecretStr
    kafka_bootstrap_servers: str
    auth_url: str
    max_increment: int = Field(default=1_000_000, ge=1, le=MAX_TOTAL)
    rate_limit_per_second: float = Field(default=5, gt=0, le=1_000_000)
    rate_limit_burst: int = Field(default=5, ge=1, le=1_000_000)
    role_bounds: dict[str, RoleBounds] = Field(
        default_factory=dict, description="by role; who has several has the widest"
    )
    approval_entries: int = Field(
        default=1000, ge=0, description="a larger reversal needs a second person"
    )
    approval_points: int = Field(default=10_000_000, ge=0, description="the same, by points")
    bot_rules: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="changes to the detector's rules, by name"
    )
    lanes: int = Field(default=1, ge=1, le=32, description="commits in flight")
    max_batch: int = Field(default=500, ge=1, le=500, description="increments in one commit")
    max_waiting: int = Field(default=5000, ge=1, description="increments that wait in a lane")

    @field_validator("bot_rules")
    @classmethod
    def _rules_can_be_meant(cls, changes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        rules_with(changes)
        return changes
