"""Who calls: nobody, people of each role, and the services themselves."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

import httpx2

from libs.common.contracts.identities import Judgements
from libs.devstack import credentials
from tests.stack import RunningStack

PERSON_SECONDS = 1.0
SERVICE_SECONDS = 120.0
CONTEXT_SECONDS = 20.0
TIMEOUT_SECONDS = 10.0

Headers = dict[str, str]


@dataclass(frozen=True)
class Places:
    """Where the services are, and what they know each other by; travels to other processes."""

    urls: Mapping[str, str]
    secrets: Mapping[str, str]

    @classmethod
    def of(cls, stack: RunningStack) -> "Places":
        known = credentials.load(stack.data_dir)
        clients = ("gateway", "scoreboard", "notification", "operator")
        return cls(stack.urls, {name: known[f"client_{name}"] for name in clients})


@dataclass(frozen=True)
class Caller:
    """A person of a `role`, a service by its `client` name, a service for a person, or nobody."""

    role: str = ""
    client: str = ""

    def __str__(self) -> str:
        return " for ".join(filter(None, (self.client, self.role))) or "anonymous"


@dataclass
class Passes:
    """
    What a caller shows at a door. Asked for anew before it ends.

    A person is somebody else every second: whoever signs out, or bans themselves, is soon over it,
    so that a campaign does not end up knocking at closed doors.
    """

    places: Places
    _kept: dict[str, tuple[float, str]] = field(default_factory=dict)
    _people: "count[int]" = field(default_factory=lambda: count(time.time_ns() // 1_000_000))

    def headers(self, caller: Caller, *, once: bool = False) -> Headers:
        """The headers that say who calls; `once` for a person whom nobody has been before."""
        if caller.client and caller.role:
            return {"X-User-Context": self.context(caller.role), **self._bearer(caller.client)}
        if caller.client:
            return self._bearer(caller.client)
        if caller.role:
            token = self._token(caller.role) if once else self.token(caller.role)
            return {"Authorization": f"Bearer {token}"}
        return {}

    def token(self, role: str) -> str:
        """A person's access token."""
        return self._keep(f"token {role}", PERSON_SECONDS, lambda: self._token(role))

    def context(self, role: str) -> str:
        """Auth's word on a person, as the gateway hands it on."""
        return self._keep(f"context {role}", CONTEXT_SECONDS, lambda: self._context(role))

    def service(self, client: str) -> str:
        """A service's own token."""
        return self._keep(f"service {client}", SERVICE_SECONDS, lambda: self._service(client))

    def _bearer(self, client: str) -> Headers:
        return {"Authorization": f"Bearer {self.service(client)}"}

    def _keep(self, name: str, seconds: float, make: Callable[[], str]) -> str:
        ends_at, value = self._kept.get(name, (0.0, ""))
        if time.monotonic() >= ends_at:
            value = make()
            self._kept[name] = (time.monotonic() + seconds, value)
        return value

    def _token(self, role: str) -> str:
        person = f"fuzz-{role}-{next(self._people)}"
        order = {"user_id": person, "roles": [role]}
        return str(self._auth("access-tokens", order, "operator")["access_token"])

    def _context(self, role: str) -> str:
        answer = self._auth("verdicts", {"tokens": [self._token(role)]}, "gateway")
        [judgement] = Judgements.model_validate(answer).items
        assert judgement.verdict is not None
        return judgement.verdict.context

    def _service(self, client: str) -> str:
        answer = httpx2.post(
            f"{self.places.urls['auth']}/internal/token",
            data={"grant_type": "client_credentials"},
            auth=(client, self.places.secrets[client]),
            timeout=TIMEOUT_SECONDS,
        )
        return str(answer.raise_for_status().json()["access_token"])

    def _auth(self, what: str, order: Mapping[str, object], client: str) -> dict[str, object]:
        answer = httpx2.post(
            f"{self.places.urls['auth']}/internal/{what}",
            json=order,
            headers=self._bearer(client),
            timeout=TIMEOUT_SECONDS,
        )
        found: dict[str, object] = answer.raise_for_status().json()
        return found
