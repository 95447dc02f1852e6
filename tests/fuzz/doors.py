"""Every door that takes a token, and which kind; a forger tries them all."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from pydantic import SecretStr

from libs.common.tokens import TokenType
from libs.devstack import credentials
from services.auth.credentials.keys import KeySeal
from services.auth.domain.keys import KeyState
from services.auth.store.database import Database
from services.auth.store.keys import PostgresKeyStore
from tests.fuzz.callers import Places
from tests.fuzz.tokens import Mint
from tests.stack import RunningStack

CONNECTIONS = 16
REFUSED = frozenset({400, 401, 403, 422, 431})
TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True)
class Door:
    """Where a token of a kind is shown; `beside` is what else has to be right there."""

    service: str
    method: str
    path: str
    kind: TokenType
    subject: str
    header: str = "Authorization"
    beside: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path} ({self.kind})"

    async def show(self, http: aiohttp.ClientSession, url: str, token: str) -> int:
        """The status that comes back."""
        shown = f"Bearer {token}" if self.header == "Authorization" else token
        headers = {**self.beside, self.header: shown}
        async with http.request(
            self.method, url + self.path, headers=headers, json=self.body
        ) as answer:
            await answer.read()
            return answer.status


@dataclass
class Outcome:
    """What came of it; `let_in` tells the door, the status and the faults of each."""

    shown: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    let_in: list[str] = field(default_factory=list)


async def find_mint(stack: RunningStack) -> Mint:
    """Auth's own signing key, out of its database."""
    database = Database(stack.urls["postgres"])
    keys = await PostgresKeyStore(database).load()
    await database.close()
    current = next(key for key in keys if key.state is KeyState.CURRENT)
    seal = KeySeal(SecretStr(credentials.load(stack.data_dir)["key_encryption"]))
    return Mint(seal.open(current), current.kid)


def doors(mint: Mint) -> list[Door]:
    """One of each sort, at every service that looks at tokens."""
    gateway = {"Authorization": f"Bearer {mint.good(TokenType.SERVICE, 'gateway').text()}"}
    player = {"Authorization": f"Bearer {mint.good(TokenType.ACCESS, 'fuzz').text()}"}

    def service(name: str, path: str, caller: str) -> Door:
        return Door(name, "GET", path, TokenType.SERVICE, caller)

    def context(name: str, path: str) -> Door:
        return Door(name, "GET", path, TokenType.CONTEXT, "fuzz", "X-User-Context", gateway)

    return [
        Door("gateway", "GET", "/api/scores/me/history", TokenType.ACCESS, "fuzz"),
        Door("gateway", "GET", "/api/admin/audit", TokenType.ACCESS, "fuzz"),
        Door("auth", "GET", "/api/admin/users/nobody", TokenType.ACCESS, "fuzz"),
        service("auth", "/internal/names?ids=a", "gateway"),
        service("score", "/internal/digest", "scoreboard"),
        context("score", "/internal/entries"),
        context("score", "/internal/admin/audit"),
        context("notification", "/internal/admin/nodes"),
        Door("gateway", "POST", "/api/scores", TokenType.GRANT, "fuzz", "Action-Grant",
             player, {"score_increment": 1}),
    ]  # fmt: skip


async def try_doors(places: Places, mint: Mint, *, count: int, seed: int, outcome: Outcome) -> None:
    """Show `count` forgeries; a tenth of them are good tokens of a kind for another door."""
    rng = random.Random(seed)
    entrances = doors(mint)
    left = iter(range(count))
    async with aiohttp.ClientSession(timeout=TIMEOUT) as http:

        async def forge() -> None:
            for n in left:
                door = entrances[n % len(entrances)]
                draft = mint.forged(door.kind, door.subject, rng)
                if rng.random() < 0.1:
                    other = rng.choice([kind for kind in TokenType if kind is not door.kind])
                    draft = mint.good(other, door.subject)
                    draft.faults.append(f"a good {other}")
                status = await door.show(http, places.urls[door.service], draft.text())
                outcome.shown += 1
                outcome.statuses[status] += 1
                if status not in REFUSED:
                    outcome.let_in.append(f"{door}: {status} for {draft.faults}")

        await asyncio.gather(*(forge() for _ in range(CONNECTIONS)))


async def open_doors(places: Places, mint: Mint) -> dict[str, int]:
    """The status of each door for the right token: or the forgeries would prove nothing."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as http:
        return {
            str(door): await door.show(
                http, places.urls[door.service], mint.good(door.kind, door.subject).text()
            )
            for door in doors(mint)
        }
