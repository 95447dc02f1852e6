"""Work beside the server ends with its block, whatever it does."""

import asyncio

import pytest

from libs.common import tasks
from libs.common.tasks import background


async def test_work_ends_with_the_block() -> None:
    async with background(asyncio.sleep(3600), name="test") as task:
        await asyncio.sleep(0)
    assert task.cancelled()


async def test_work_that_fails_while_it_ends_disturbs_nobody() -> None:
    async def fails() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError

    async with background(fails(), name="test") as task:
        await asyncio.sleep(0)
    assert task.done()


async def test_work_that_forgot_that_it_was_cancelled_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_SECONDS", 0.01)

    async def forgetful() -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue
        await asyncio.sleep(3600)

    async with asyncio.timeout(5), background(forgetful(), name="test") as task:
        await asyncio.sleep(0)
    assert task.cancelled()
