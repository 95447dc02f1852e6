"""The four parts against one running stack, each as rows of a report."""

import asyncio
import re
from collections.abc import Awaitable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import chain, count
from multiprocessing import get_context
from time import monotonic

from rich.console import Console
from rich.markup import escape

from libs.common.contracts.values import MAX_TOTAL
from tests.faults.report import Row
from tests.fuzz import documents, doors, frames, senders, streams
from tests.fuzz.callers import Places
from tests.fuzz.crowd import crowd
from tests.fuzz.neighbours import Neighbours, neighbours
from tests.fuzz.tally import Tally
from tests.fuzz.tokens import Mint
from tests.stack import UNLIMITED, RunningStack

# Out of the way, so that what is asked is answered, and the document is exact.
ENVIRONMENT = {
    **UNLIMITED,
    "MAX_INCREMENT": str(MAX_TOTAL),
    "MAX_CONNECTIONS_PER_ADDRESS": "100000",
}
PROCESSES = 2
# Examples of each operation in one visit; fewer in a short run, so that all doors are tried.
MIN_EXAMPLES, MAX_EXAMPLES = 2, 40
CASES_PER_EXAMPLE = 2_500
ABREAST = 60
SHOWN = 20

# A GET that answers 200, and a POST that reads its body.
PATHS = {
    "gateway": (b"/api/leaderboard", b"/api/auth/login"),
    "notification": (b"/livez", b"/internal/tickets"),
}

_TROUBLE = re.compile(r"^\S+ \w+ +(?:error|critical) .*|^\S+ \w+ +Traceback.*", re.MULTILINE)

Told = list[str]


class Parts:
    """The four parts, on one stack; what went wrong is shown as it happens."""

    def __init__(self, stack: RunningStack, mint: Mint, console: Console) -> None:
        self._stack = stack
        self._places = Places.of(stack)
        self._mint = mint
        self._console = console

    async def tokens(self, number: int, seed: int) -> list[Row]:
        """Forgeries at every door."""
        opened = await doors.open_doors(self._places, self._mint)
        closed = [
            f"{door} refuses the right token" for door, s in opened.items() if s in doors.REFUSED
        ]
        outcome = doors.Outcome()
        await doors.try_doors(self._places, self._mint, count=number, seed=seed, outcome=outcome)
        figures = f"accepted {len(outcome.let_in)}/{outcome.shown:,} at {len(opened)} doors"
        return [
            self._row("forged and confused tokens", outcome.shown, closed + outcome.let_in, figures)
        ]

    async def streams(self, noise: int, seed: int) -> list[Row]:
        """WebSocket abuse, with neighbours."""
        url = self._places.urls["notification"]
        said, knocked = frames.every(), streams.knocks(url.removeprefix("http://"))
        async with neighbours(self._places, self._mint) as beside:
            abuse = await _all(
                chain(
                    ((name, streams.say(url, says)) for name, says in said.items()),
                    ((name, streams.knock(url, knock)) for name, knock in knocked.items()),
                )
            )
            random_ends = await _all(
                (f"noise {n}", streams.make_noise(url, n)) for n in range(seed, seed + noise)
            )
        return [
            self._row("broken WebSocket streams", len(said) + len(knocked), abuse),
            self._row("streams of random frames", noise, random_ends, str(beside)),
            *self._aftermath("WebSocket abuse", beside),
        ]

    async def senders(self, number: int) -> list[Row]:
        """HTTP abuse, and a crowd of slow senders, everywhere at once and with neighbours."""
        urls = {service: self._places.urls[service] for service in PATHS}
        abuses = {
            f"{name}, at {service}": senders.tried(urls[service], abuse)
            for service, paths in PATHS.items()
            for name, abuse in senders.every(*paths).items()
        }
        async with neighbours(self._places, self._mint) as beside:
            told, *lingering = await asyncio.gather(
                _all(abuses.items()), *(crowd(url, number) for url in urls.values())
            )
        return [
            self._row("abused HTTP", len(abuses), told),
            self._row(
                "slow senders",
                number * len(urls),
                list(chain.from_iterable(lingering)),
                str(beside),
            ),
            *self._aftermath("HTTP abuse", beside),
        ]

    def documents(self, cases: int, seed: int) -> list[Row]:
        """Everything that the documents allow and forbid; then the oracle."""
        started = monotonic()
        tally = self._visited(cases, seed)
        seconds = monotonic() - started
        for kind, example in sorted(tally.examples.items()):
            self._console.print(f"[red]{escape(kind)}[/]\n  {escape(example)}", soft_wrap=True)
        statuses = ", ".join(f"{s}: {n:,}" for s, n in sorted(tally.statuses.items()))
        checks = ", ".join(
            f"{n} {tally.failures[n]:,}/{c:,}" for n, c in sorted(tally.checks.items())
        )
        self._console.print(f"statuses  {statuses}\nchecks    {checks}", soft_wrap=True)
        verified = self._stack.run("ledger", "verify")
        self._console.print(verified.stdout.strip(), markup=False)
        wrong = sum(tally.failures.values())
        figures = f"{tally.cases / seconds:.0f}/s, {tally.overload:,} × 503 with Retry-After"
        return [
            Row("fuzzed requests: 5xx", tally.cases, tally.server_errors, figures),
            Row("fuzzed requests: checks failed", sum(tally.checks.values()), wrong),
            self._row("ledger and board, verified after it", 1, _told(verified.returncode)),
            *self._aftermath("fuzzed requests"),
        ]

    def _visited(self, cases: int, seed: int) -> Tally:
        tally = Tally()
        for planned, came in _in_turn(self._places, cases, seed):
            tally += came
            failed = sum(tally.failures.values())
            self._console.print(
                f"{tally.cases:>9,} of {cases:,} cases, {tally.server_errors} × 5xx, "
                f"{failed} failures: {planned}", soft_wrap=True,
            )  # fmt: skip
        return tally

    def _aftermath(self, what: str, beside: Neighbours | None = None) -> Iterator[Row]:
        if beside is not None:
            yield self._row(
                f"neighbours of {what}", beside.answers + beside.frames, beside.complaints
            )
        yield self._row(f"exceptions in the logs after {what}", 1, troubles(self._stack))

    def _row(self, what: str, trials: int, told: Told, figures: str = "") -> Row:
        for line in told[:SHOWN]:
            self._console.print(f"[red]{escape(what)}: {escape(line)}[/]", soft_wrap=True)
        return Row(what, trials, len(told), figures)


def troubles(stack: RunningStack) -> Told:
    """What the services logged as an error, or could not catch."""
    return _TROUBLE.findall(stack.output)


async def _all(tried: Iterable[tuple[str, Awaitable[str]]]) -> Told:
    """What went wrong, in the order of asking; so many at a time."""
    gate = asyncio.Semaphore(ABREAST)

    async def one(name: str, work: Awaitable[str]) -> str:
        async with gate:
            try:
                told = await work
            except (AssertionError, OSError, EOFError, TimeoutError) as error:
                told = repr(error)
        return told and f"{name}: {told}"

    return [told for told in await asyncio.gather(*(one(*pair) for pair in tried)) if told]


def _in_turn(places: Places, cases: int, seed: int) -> Iterator[tuple[documents.Visit, Tally]]:
    """Round after round in other processes, until there are enough; everybody at least once."""
    examples = min(max(cases // CASES_PER_EXAMPLE, MIN_EXAMPLES), MAX_EXAMPLES)
    first = list(documents.visits(seed, examples))
    more = chain.from_iterable(
        documents.visits(seed + n, examples, all_phases=False) for n in count(1)
    )
    waiting, due = chain(first, more), len(first)
    asked: dict[Future[Tally], documents.Visit] = {}
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        while asked or due > 0 or cases > 0:
            while len(asked) < PROCESSES and (due > 0 or cases > 0):
                planned = next(waiting)
                asked[pool.submit(documents.visit, places, planned)] = planned
                due -= 1
            for done in wait(asked, return_when=FIRST_COMPLETED).done:
                cases -= done.result().cases
                yield asked.pop(done), done.result()


def _told(code: int) -> Told:
    return [f"ledger verify ended with {code}"] if code else []
