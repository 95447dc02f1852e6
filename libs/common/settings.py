"""The base of every service's settings: read from the environment once, frozen, typed."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

_SECRETS = Path("/run/secrets")


class EnvSettings(BaseSettings):
    """
    Settings from the environment: `DATABASE_URL` fills `database_url`.

    A file of the field's name in `/run/secrets` fills it too; the environment wins. Built inside
    the lifespan, never at import. Raises pydantic's `ValidationError`, which names the variable.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,
    )
