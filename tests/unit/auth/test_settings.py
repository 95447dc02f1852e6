"""What auth refuses to start with."""

import pytest
from pydantic import ValidationError

from services.auth.settings import Settings

GOOD = {
    "DATABASE_URL": "postgresql://auth_service@db/board",
    "REDIS_URL": "redis://redis",
    "KEY_ENCRYPTION_SECRET": "k" * 32,
    "SERVICE_CLIENTS": '{"gateway": "0123456789abcdef"}',
}
EXTERNAL = {
    "EXTERNAL_ISSUER": "https://id.example.com/",
    "EXTERNAL_JWKS_URL": "https://id.example.com/keys",
    "EXTERNAL_AUDIENCE": "api",
}


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in (GOOD | environment).items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)

    assert settings.service_clients["gateway"].get_secret_value() == "0123456789abcdef"
    assert "0123456789abcdef" not in repr(settings)
    assert "k" * 32 not in repr(settings)


def test_a_mistake_does_not_show_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError) as refused:
        read(monkeypatch, KEY_ENCRYPTION_SECRET="short-secret")

    assert "key_encryption_secret" in str(refused.value)
    assert "short-secret" not in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"KEY_ENCRYPTION_SECRET": "k" * 31},
        {"SERVICE_CLIENTS": '{"gateway": "short"}'},
        {"ACCESS_TOKEN_SECONDS": "86401"},
        {"KEY_ROTATION_SECONDS": "60"},
        {"EXTERNAL_ISSUER": "https://id.example.com/"},
        EXTERNAL | {"EXTERNAL_JWKS_URL": "http://id.example.com/keys"},
        EXTERNAL | {"EXTERNAL_JWKS_URL": "file:///etc/keys"},
        EXTERNAL | {"EXTERNAL_JWKS_URL": "http://localhost.example.com/keys"},
        EXTERNAL | {"EXTERNAL_ALGORITHM": "HS256"},
        EXTERNAL | {"EXTERNAL_ALGORITHM": "none"},
    ],
)
def test_what_is_weak_or_half_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    with pytest.raises(ValidationError):
        read(monkeypatch, **wrong)


@pytest.mark.parametrize(
    "url", ["https://id.example.com/k", "http://127.0.0.1:80", "http://[::1]/"]
)
def test_keys_come_by_https_or_from_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert read(monkeypatch, **EXTERNAL | {"EXTERNAL_JWKS_URL": url})
