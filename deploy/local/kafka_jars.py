"""The jars of Apache Kafka: pinned in kafka-jars.lock, downloaded once for every home, checked before each start."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import tenacity
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext

from deploy.local.errors import StackError, disk_full_is_a_sentence, require_space

KAFKA_VERSION = "4.1.1"
LOCK = Path(__file__).with_name("kafka-jars.lock")
_ROOTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3")


@dataclass(frozen=True)
class Jar:
    """One pinned jar: its Maven coordinate (group:artifact:version) and the SHA-256 of its bytes, in hexadecimal."""

    coordinate: str
    sha256: str

    @property
    def filename(self) -> str:
        """The file's name in the cache."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    def is_intact(self, file: Path) -> bool:
        """Tell whether this file is the jar, whole and unchanged."""
        return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == self.sha256


def pinned() -> list[Jar]:
    """Read the lock."""
    lines = (line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#"))
    return [Jar(coordinate, sha256) for coordinate, sha256 in lines]


def cache_folder() -> Path:
    """Where the jars are kept: below XDG_CACHE_HOME, so that a second home needs no second download."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rollcall" / f"kafka-{KAFKA_VERSION}"


def ensure(say: Callable[[str], None], folder: Path | None = None) -> list[Path]:
    """Answer the class path, after downloading the jars that are missing or broken.

    A jar is downloaded into a folder beside the cache, checked against the lock, and only then moved in; a download
    that is killed at any moment leaves whole jars or none. Raises StackError where the network or the disk refuses.
    """
    folder = folder or cache_folder()
    jars = pinned()
    files = [folder / jar.filename for jar in jars]
    if not _broken(jars, folder):
        return files
    with disk_full_is_a_sentence(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder, say):
            broken = _broken(jars, folder)
            if broken:
                say(f"downloading Apache Kafka {KAFKA_VERSION} ({len(broken)} of {len(jars)} jars), once for all homes")
                require_space(folder, 150, "the download of Apache Kafka")
                _download(broken, folder)
    return files


def _broken(jars: list[Jar], folder: Path) -> list[Jar]:
    with ThreadPoolExecutor() as pool:
        intact = pool.map(lambda jar: jar.is_intact(folder / jar.filename), jars)
        return [jar for jar, whole in zip(jars, intact, strict=True) if not whole]


@contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time download; the others wait for it and find the jars there."""
    with (folder / "download.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is downloading Apache Kafka; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(jars: list[Jar], folder: Path) -> None:
    for left in folder.glob("download-*"):  # of a download that was killed
        if left.is_dir():
            shutil.rmtree(left)
    pool = ThreadPoolExecutor(8)
    with tempfile.TemporaryDirectory(prefix="download-", dir=folder, ignore_cleanup_errors=True) as draft:
        try:
            for _ in pool.map(lambda jar: _fetch(jar, Path(draft)).replace(folder / jar.filename), jars):
                pass
        finally:
            # Whoever is interrupted, or met the first error, does not wait for answers that may never come.
            pool.shutdown(wait=False, cancel_futures=True)


def _fetch(jar: Jar, draft: Path) -> Path:
    group, artifact, version = jar.coordinate.split(":")

    def attempt() -> Path:
        repository = Path(tempfile.mkdtemp(dir=draft))
        file: Path = _maven(repository).project(group, artifact).at_version(version).artifact().resolve()
        if not jar.is_intact(file):
            raise requests.ConnectionError(f"{jar.filename} arrived incomplete or is not the pinned one")
        return file

    try:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(requests.RequestException),
            wait=tenacity.wait_exponential(max=8),
            stop=tenacity.stop_after_attempt(3),
            reraise=True,
        )(attempt)
    except (requests.RequestException, RuntimeError) as error:  # jgo raises RuntimeError for "in no repository"
        raise StackError(
            f"Apache Kafka could not be downloaded: {jar.coordinate} ({type(error).__name__}). Check the network "
            "(HTTPS_PROXY is respected; a mirror can be named as `central` under [repositories] in ~/.config/jgo.conf) "
            "and start again: what has arrived is kept. Or set ROLLCALL_KAFKA to a broker that you have"
        ) from error


def _maven(repository: Path) -> MavenContext:
    mirrors = GlobalSettings.load().repositories
    return MavenContext(repo_cache=repository, remote_repos={"central": MAVEN_CENTRAL_URL, **mirrors}, timeout=30)


def write_lock() -> None:
    """Resolve the roots anew and write kafka-jars.lock. For maintainers, after a change of version."""
    with tempfile.TemporaryDirectory() as repository:
        maven = _maven(Path(repository))
        roots = [maven.create_dependency(root) for root in _ROOTS]
        # Unmanaged, or else log4j's parent would decide the versions of Kafka's own jars (kafka-clients 3.8 it says).
        roots[1].raw = True
        inputs, transitive = maven.resolver.resolve(roots)
        lines = []
        for dependency in [*inputs, *transitive]:
            artifact = dependency.artifact
            digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
            lines.append(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {digest}\n")
    heading = "# Written by `python -m deploy.local.kafka_jars`: Apache Kafka and what it needs, with SHA-256.\n"
    LOCK.write_text(heading + "".join(sorted(lines)))


if __name__ == "__main__":
    write_lock()
    sys.stdout.write(f"{len(pinned())} jars pinned in {LOCK.name}\n")
