"""The load generator's posts: what it says that it did is what the server saw."""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bench.load import against_wrk, heads, run
from bench.load.latencies import LONGEST_US, Latencies
from bench.load.posted import Posted
from bench.load.posts import closed, each, open_loop
from bench.load.requests import Mix, Requests, picks
from tests.bench.load_servers import Scores, http_answer, taking

ROOT = Path(__file__).parents[2]
TOKENS = {f"user-{n}": f"token-{n}" for n in range(20)}
MILLISECOND = 1_000_000


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


def equal(posted: Posted, scores: Scores) -> bool:
    """Nothing is missing, doubled or wrong on either side."""
    return (
        posted.clean
        and posted.sent == posted.latencies.count == len(scores.points)
        and posted.points == sum(scores.points) == sum(scores.totals.values())
        and len(set(scores.keys)) == len(scores.keys)
    )


class TestAnswers:
    ANSWER = http_answer(b'{"new_score":7}', fields=b"X-Other: 1\r\n")

    def test_an_answer_is_known_with_its_last_byte_and_not_before(self) -> None:
        early = [heads.answer(self.ANSWER[:size]) for size in range(len(self.ANSWER))]
        assert set(early) == {None}
        assert heads.answer(self.ANSWER) == (200, b'{"new_score":7}', False)

    def test_field_names_may_be_written_in_any_case(self) -> None:
        shouted = self.ANSWER.replace(b"content-length", b"CONTENT-LENGTH")
        assert heads.answer(shouted) == heads.answer(self.ANSWER)

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
            b"HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"x" * (heads.MAX_HEAD_BYTES + 1),
        ],
    )
    def test_what_is_no_single_answer_is_refused(self, data: bytes) -> None:
        with pytest.raises(ValueError, match=r"Content-Length|more|HTTP/1\.1|without end"):
            heads.answer(data)


class TestLatencies:
    def test_percentiles_are_true_to_three_digits(self) -> None:
        rng = random.Random(7)
        values = sorted(int(rng.lognormvariate(15, 3)) for _ in range(20_000))
        values = [value for value in values if 1000 <= value < LONGEST_US * 1000]
        latencies = Latencies()
        for value in values:
            latencies.record(value)
        for percent in (1, 50, 90, 99, 99.9, 100):
            exact = values[max(0, -(-int(len(values) * percent * 10) // 1000) - 1)] / 1e6
            assert latencies.percentile(percent) == pytest.approx(exact, rel=0.001, abs=0.001)

    def test_merged_is_as_if_recorded_in_one_and_survives_json(self) -> None:
        one, other, both = Latencies(), Latencies(), Latencies()
        for number in range(1000):
            (one if number % 3 else other).record(number**3)
            both.record(number**3)
        one.merge(other)
        assert one == both
        assert Latencies.model_validate_json(one.model_dump_json()) == both

    def test_what_is_too_long_still_counts(self) -> None:
        latencies = Latencies()
        latencies.record(90_000 * MILLISECOND)
        assert (latencies.count, latencies.over(50_000), latencies.longest_us) == (1, 1, 90_000_000)

    def test_of_nothing_is_nothing(self) -> None:
        assert (Latencies().count, Latencies().percentile(99)) == (0, 0.0)


class TestRequests:
    def test_a_seed_repeats_users_and_points_but_never_keys(self) -> None:
        def some() -> list[bytes]:
            requests = Requests("http://127.0.0.1:1/api/scores")
            return [one for one, _ in islice(requests.many(["a", "b"], Mix.UNIFORM, 5), 50)]

        first, second = some(), some()
        assert len(set(first) | set(second)) == 100
        without_keys = [[heads.field(one.lower(), b"authorization") for one in first + second]]
        assert without_keys[0][:50] == without_keys[0][50:]

    def test_mixes(self) -> None:
        def users(mix: Mix) -> Counter[int]:
            return Counter(user for user, _ in islice(picks(100, mix, 1), 20_000))

        assert users(Mix.HOT) == {0: 20_000}
        assert max(users(Mix.UNIFORM).values()) < 400
        ranked = users(Mix.ZIPF)
        assert 1.5 < ranked[0] / ranked[1] < 3  # 2 ** 1.1 = 2.1
        assert {points for _, points in islice(picks(5, Mix.ZIPF, 1), 1000)} == set(range(1, 10))


class TestClosedLoop:
    async def test_the_server_saw_what_the_generator_counted(self) -> None:
        scores = Scores()
        async with taking(scores) as url:
            posted = await closed(url, TOKENS, connections=8, requests=3000, seconds=9)
        assert equal(posted, scores)
        assert posted.accepted == 3000
        assert scores.totals.keys() == set(TOKENS.values())
        assert scores.connections == 8

    async def test_it_ends_with_the_time(self) -> None:
        scores = Scores()
        async with taking(scores) as url:
            posted = await closed(url, TOKENS, connections=4, seconds=0.2)
        assert equal(posted, scores)
        assert posted.seconds >= 0.2

    async def test_answers_may_come_in_pieces(self) -> None:
        scores = Scores()
        scores.piece_bytes = 7
        async with taking(scores) as url:
            posted = await closed(url, TOKENS, connections=8, requests=40, seconds=9)
        assert equal(posted, scores)

    async def test_no_latency_is_shorter_than_the_servers_delay(self) -> None:
        scores = Scores()
        scores.delay_seconds = 0.02
        async with taking(scores) as url:
            posted = await closed(url, TOKENS, connections=8, requests=80, seconds=9)
        # libuv rounds timers to its clock's millisecond.
        assert posted.latencies.over(18) == posted.latencies.count == 80

    async def test_refusals_are_counted_by_status_and_add_no_points(self) -> None:
        scores = Scores()
        refusal = http_answer(b"{}", status=503)
        scores.answer = lambda number, answer: refusal if number % 4 == 0 else answer
        async with taking(scores) as url:
            posted = await closed(url, TOKENS, connections=4, requests=200, seconds=9)
        assert posted.statuses == {200: 150, 503: 50}
        assert posted.points == sum(p for n, p in enumerate(scores.points, 1) if n % 4)
        assert not posted.clean

    @pytest.mark.parametrize("broken", [None, b"HTTP/1.1 200 OK\r\n\r\n"])
    async def test_a_lost_connection_is_counted_and_replaced(self, broken: bytes | None) -> None:
        scores = Scores()
        scores.answer = lambda number, answer: broken if number in (50, 60) else answer
        async with taking(scores) as url:
            posted = await closed(url, TOKENS, connections=4, requests=200, seconds=9)
        assert (posted.sent, posted.accepted, len(scores.points)) == (200, 198, 200)
        assert (posted.lost, posted.unanswered, scores.connections) == (2, 2, 6)
        assert posted.points + posted.unanswered_points == sum(scores.points)
        assert not posted.clean

    async def test_a_connection_that_the_server_closes_in_order_is_no_loss(self) -> None:
        scores = Scores()
        last = http_answer(b"{}", fields=b"connection: close\r\n")
        scores.answer = lambda number, answer: last if number % 50 == 0 else answer
        async with taking(scores) as url:
            posted = await closed(url, TOKENS, connections=4, requests=200, seconds=9)
        assert equal(posted, scores)
        assert scores.connections == 4 + 4

    async def test_what_is_never_answered_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "DRAIN_SECONDS", 0.1)
        scores = Scores()
        scores.delay_seconds = 60
        async with taking(scores) as url:
            posted = await closed(url, TOKENS, connections=3, seconds=0.1)
        assert (posted.sent, posted.unanswered, posted.accepted) == (3, 3, 0)
        assert posted.unanswered_points == sum(scores.points)

    async def test_without_a_server_there_is_no_run(self) -> None:
        async with taking(Scores()) as url:
            pass
        with pytest.raises(ConnectionError, match="0 of 4 connections"):
            await closed(url, TOKENS, connections=4, seconds=1)

    async def test_each_posts_these_and_nothing_else(self) -> None:
        scores = Scores()
        async with taking(scores) as url:
            posted = await each(url, [("a", 1_000_000), ("b", 5), ("a", 7)])
        assert equal(posted, scores)
        assert scores.points == [1_000_000, 5, 7]
        assert scores.totals == {"a": 1_000_007, "b": 5}


class TestOpenLoop:
    async def test_every_slot_is_used(self) -> None:
        scores = Scores()
        async with taking(scores) as url:
            posted = await open_loop(url, TOKENS, connections=8, rate=1000, seconds=0.5)
        assert equal(posted, scores)
        assert posted.sent == 500
        assert posted.seconds >= 0.499
        assert posted.late.count + posted.queued == 500

    async def test_a_stall_is_in_the_latencies_of_all_who_came_meanwhile(self) -> None:
        rate, stall = 1000, 0.2
        scores = Scores()
        loop = asyncio.get_running_loop()

        def hold() -> None:
            scores.held_until = loop.time() + stall

        async with taking(scores) as url:
            loop.call_later(0.2, hold)
            posted = await open_loop(url, TOKENS, connections=4, rate=rate, seconds=0.6)
            loop.call_later(0.2, hold)
            blind = await closed(url, TOKENS, connections=4, seconds=0.6)
        assert posted.clean
        assert posted.sent == 600
        # Who came in the first half of the stall waited for more than its second half.
        assert posted.latencies.over(100) >= 0.9 * rate * (stall - 0.1)
        assert posted.latencies.over(10) >= 0.9 * rate * (stall - 0.01)
        assert posted.latencies.longest_us >= 190_000
        assert posted.queued >= 0.9 * rate * stall
        # The same stall, as a closed loop sees it: one request for each connection.
        assert blind.latencies.over(100) < posted.latencies.over(100)

    async def test_waiting_for_a_connection_counts(self) -> None:
        scores = Scores()
        scores.delay_seconds = 0.02
        async with taking(scores) as url:
            posted = await open_loop(url, TOKENS, connections=1, rate=200, seconds=0.1)
        # The last of 20 was due after 95 ms, and had to wait for 19 others.
        assert equal(posted, scores)
        assert posted.queued == 19
        assert posted.latencies.longest_us >= 20 * 18_000 - 95_000

    async def test_a_generator_that_is_late_says_so(self) -> None:
        scores = Scores()
        async with taking(scores) as url:
            asyncio.get_running_loop().call_later(0.05, time.sleep, 0.15)
            posted = await open_loop(url, TOKENS, connections=50, rate=200, seconds=0.2)
        assert posted.clean
        assert posted.late.longest_us >= 100_000
        assert posted.latencies.over(20) >= 20  # 130 ms' worth, though the server was prompt
        assert posted.saturated

    async def test_what_was_not_sent_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "DRAIN_SECONDS", 0.1)
        scores = Scores()
        scores.delay_seconds = 60
        async with taking(scores) as url:
            posted = await open_loop(url, TOKENS, connections=2, rate=100, seconds=0.1)
        assert (posted.sent, posted.unanswered, posted.unsent) == (2, 2, 8)


class TestCommandLine:
    async def _run(self, *arguments: str) -> tuple[int | None, str, str]:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.load", *arguments),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await program.communicate()
        return program.returncode, out.decode(), err.decode()

    async def test_posts_in_a_process_of_its_own(self, tmp_path: Path) -> None:
        scores = Scores()
        tokens = tmp_path / "tokens.json"
        tokens.write_text(json.dumps(TOKENS), "utf-8")
        async with taking(scores) as url:
            fixed = ("posts", "--url", url, "--tokens", str(tokens))
            (code, out, _), (_, table, _) = await asyncio.gather(
                self._run(*fixed, "--rate=200", "--seconds=0.5", "--json"),
                self._run(*fixed, "--connections=2", "--seconds=0.2"),
            )
        posted = Posted.model_validate_json(out)
        assert (code, posted.clean, posted.sent) == (0, True, 100)
        assert "accepted" in table
        code, _, err = await self._run(*fixed)
        assert code == 1
        assert err.count("\n") == 1
        assert "0 of 64 connections" in err

    async def test_without_wrk_nothing_is_compared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(against_wrk.NoWrk, match="not installed"):
            against_wrk.turns(connections=1, seconds=1, rounds=1)
