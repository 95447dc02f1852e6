"""The hub calls a stall, and says so to the client, before the kernel resets the connection."""

from services.notification.connections.takeover import DEAD_PEER_SECONDS
from services.notification.hub import HEARTBEAT_SECONDS
from services.notification.settings import Settings


def test_the_hub_has_the_time_to_call_a_stall_before_the_kernel_resets() -> None:
    stall_seconds: float = Settings.model_fields["stall_seconds"].default
    # It looks once in a turn of the wheel: once to see that nothing is taken, and again to judge.
    assert stall_seconds + 2 * HEARTBEAT_SECONDS < DEAD_PEER_SECONDS
