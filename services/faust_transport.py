"""Faust's way to Kafka, which also leaves out nothing of a partition of which nothing is committed yet.

What Faust fetches while a rebalance is not over it throws away, and goes back to what is committed. aiokafka goes back
nowhere where nothing is, or offset 0 (`AIOKafkaConsumer.seek_to_committed`, aiokafka 0.14): what was thrown away would
never come again.
"""

from collections.abc import Mapping

from faust.transport.drivers import aiokafka
from faust.types import TP


class Consumer(aiokafka.Consumer):
    """Goes back to the first offset where nothing is committed, as `auto.offset.reset` promises a new group."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Have each partition go on at what is committed, else at its first offset; give what is committed.

        Raises aiokafka.errors.KafkaError where the broker does not tell, or the partitions are assigned anew.
        """
        committed = await super().seek_to_committed()
        fresh = [tp for tp, offset in committed.items() if not offset]
        if fresh:
            await self._thread.seek_to_beginning(*fresh)
        return committed


class Transport(aiokafka.Transport):
    """Makes such consumers."""

    Consumer = Consumer
