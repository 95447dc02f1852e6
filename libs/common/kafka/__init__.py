"""
The one door to Kafka.

Delivery is at least once, in both directions: what is written may be written again, what is read
may be read again. That is enough, because events carry states with versions (`contracts`).

aiokafka's defaults lose data (`acks=1`, auto-commit, reset to latest): every one is set here.
"""

from libs.common.kafka.publisher import Publisher, Record
from libs.common.kafka.readers import BroadcastReader, GroupReader, Message
from libs.common.kafka.topics import EMBEDDED_CONFIG, end_offsets, ensure_topics

__all__ = [
    "EMBEDDED_CONFIG",
    "BroadcastReader",
    "GroupReader",
    "Message",
    "Publisher",
    "Record",
    "end_offsets",
    "ensure_topics",
]
