"""
PostgreSQL put back to what it was some seconds ago: what is honestly lost, and what must hold.

Increments that were acknowledged since the backup are gone; they are counted, and taken out of the
log that the oracle judges. All else holds: the board, Redis and every screen become what the
restored ledger says, positions of screens only grow, no score of the lost world is on the board
that follows, and a client that sends a lost increment again under its key has it counted once.
"""

import asyncio
from collections.abc import Awaitable, Sequence

from tests.faults.outages import Backup, Restore, down
from tests.oracle import truth
from tests.oracle.history import Request
from tests.oracle.trial import Trial, trial
from tests.stack import RunningStack

POLL_SECONDS = 0.1
LOST_SECONDS = 1.0
NEW_BOARD_SECONDS = 60
# Players who stop before the restore: what they lost, no later increment covers up.
USERS, POSTS_PER_SECOND = 40, 20


async def restore(
    stack: RunningStack, work: Trial, how: Restore, meanwhile: Awaitable[object] | None = None
) -> str:
    """
    Lose a second of the ledger, and whatever else `meanwhile` loses while it is down.

    What was seen, for people to read.
    """
    clock = asyncio.get_running_loop().time
    backup = Backup(stack)
    async with trial(work.places, users=USERS, screens=0, rate=POSTS_PER_SECOND) as idle:
        await asyncio.sleep(LOST_SECONDS)
        await backup.take(work.places.postgres)
        await asyncio.sleep(LOST_SECONDS)
        await idle.stop_sending()
        lost_world = max(screen.positions[-1][0] for screen in work.screens)
        async with down(stack, "postgres"):
            backup.put_back(how)
            if meanwhile is not None:
                await meanwhile
        restored = clock()
        epoch = await _board_after(lost_world, work)
        took = clock() - restored
        await work.stop_sending()
        gone = 0
        for each in (idle, work):
            again = await _forgive(each)
            gone += len(again)
            await each.client.send_again(again)
        work.history.requests += idle.history.requests
    contents = work.screens[0].wall.contents
    for position in [position for position in contents if position[0] < epoch]:
        del contents[position]
    return f"{gone} acknowledged increments gone, and sent again; new board after {took:.1f} s"


async def _board_after(lost_world: int, work: Trial) -> int:
    """The epoch that every screen shows, as soon as it is a newer one; after 60 s, the old one."""
    shown = lost_world
    for _ in range(int(NEW_BOARD_SECONDS / POLL_SECONDS)):
        shown = min(screen.positions[-1][0] for screen in work.screens)
        if shown > lost_world:
            break
        await asyncio.sleep(POLL_SECONDS)
    return shown


async def _forgive(work: Trial) -> Sequence[Request]:
    """Take out of the log, and return, what was acknowledged and the restored ledger has not."""
    requests = work.history.requests
    ledger = await truth.entries(work.places.postgres, {request.user for request in requests})
    kept = {(user, entry.key) for user, entries in ledger.items() for entry in entries}
    gone = [r for r in requests if r.acked and (r.user, r.key) not in kept]
    requests[:] = [r for r in requests if not r.acked or (r.user, r.key) in kept]
    return gone
