"""Every setting, each one environment variable with a safe default."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Rollcall's settings. The variable's name is ROLLCALL_ and the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="ROLLCALL_", frozen=True)

    home: Path = Field(
        default=Path.home() / ".rollcall",
        description="where the local stack keeps its Kafka, its PostgreSQL, its logs and the sandbox",
    )
    kafka: str | None = Field(
        default=None, description="bootstrap servers of your Kafka (host:port,…); without it the embedded one is used"
    )
    database: SecretStr | None = Field(
        default=None,
        description="address of your PostgreSQL, 17 or newer (postgresql://…); without it the embedded one is used",
    )
    kafka_port: int | None = Field(default=None, description="port of the embedded Kafka; one is chosen without it")
    postgres_port: int | None = Field(
        default=None, description="port of the embedded PostgreSQL; one is chosen without it"
    )
    sandbox_port: int | None = Field(
        default=None, description="port of the sandbox providers; one is chosen without it"
    )
    topic_prefix: str = Field(default="", description="put before every topic and consumer group, to share a broker")
    instance: str | None = Field(
        default=None,
        description="a name for this process among those of its worker, the same after a restart (a StatefulSet's "
        "ordinal); Kafka then gives its partitions back at once instead of waiting for its session to time out",
    )
    topic_replication: int = Field(default=1, ge=1, description="replicas of each topic; 3 on a real cluster")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")
    metrics_host: str = Field(
        default="127.0.0.1", description="the address /metrics listens on; 0.0.0.0 in a container"
    )
    metrics_port: int | None = Field(
        default=None,
        description="port of a worker's /metrics (Prometheus); in the local stack the first worker's, and each "
        "further one has the next; without it none are served",
    )
    limit_percent: int = Field(
        default=50, ge=0, le=100, description="the share of a kind, in percent, that may change in a night unreviewed"
    )
    two_reviewers_above: int | None = Field(
        default=None, ge=0, description="a held set of more changes than this needs the approval of two reviewers"
    )
    clock_file: Path | None = Field(
        default=None, description="for rehearsals: a file with the time that workers take it to be"
    )
    pulls_at_once: int = Field(default=4, ge=1, description="districts pulled at the same time by one ingest worker")
    requests_at_once: int = Field(
        default=8, ge=1, description="requests under way at the same time to one provider host, over all districts"
    )
    request_seconds: float = Field(default=60, gt=0, description="how long one request to a provider may be silent")
    requests_per_pull: int = Field(default=20_000, ge=1, description="the most requests that one pull may make")
    pull_seconds: float = Field(default=4 * 3600, gt=0, description="how long one pull may go on before it fails")
    retry_seconds: float = Field(
        default=600, gt=0, description="how long one request is tried again on 429 and 5xx before the pull fails"
    )
    memory_folder: Path | None = Field(
        default=None,
        description="where ingest remembers what each district's rows became, names among it, so that the next night "
        "takes less; without it a folder of ROLLCALL_HOME is taken",
    )
    page_records: int = Field(default=1000, ge=1, le=5000, description="records in one snapshot page or chunk")
    night_starts: int = Field(default=20, ge=0, le=23, description="the hour, district time, at which nights begin")
    smtp: SecretStr | None = Field(
        default=None,
        description="where mail goes out: smtp://user:password@host:port, or smtps:// where TLS comes first; without "
        "it no mail is sent",
    )
    mail_from: str = Field(default="rollcall@localhost", description="the address that mail comes from")
    operators: str = Field(
        default="", description="addresses of the operators, comma-separated: they are told what every contact is told"
    )
    desk_url: str | None = Field(
        default=None, description="where people reach the review desk (https://…), for the links in what they are told"
    )
    notice_seconds: float = Field(
        default=60, ge=0, description="how long a notice waits for others, so that many go into one mail"
    )
    webhook_url: str | None = Field(default=None, description="where every notice is posted as JSON, for chat tools")
    webhook_secret: SecretStr | None = Field(
        default=None, description="what the posts are signed with: whsec_ and at least 24 bytes in base64"
    )
    night_hours: int = Field(default=6, ge=1, le=10, description="hours over which a night's syncs are spread")
    journal_days: int = Field(
        default=400,
        ge=120,
        description="for how many days it is kept what was done each night: nights, judgements, sets that were held, "
        "applied sets",
    )
    desk_host: str = Field(
        default="127.0.0.1", description="the address the review desk listens on; 0.0.0.0 in a container"
    )
    desk_port: int | None = Field(
        default=None, description="port of the review desk; without it 8700, or in the local stack one that is free"
    )
    desk_secret: SecretStr | None = Field(
        default=None, description="what signs the desk's sessions, the same for each of its processes; made without it"
    )
    activation_host: str = Field(
        default="127.0.0.1",
        description="the address that the people's pages (sign-in, activation, classes) listen on; 0.0.0.0 in a "
        "container",
    )
    activation_port: int | None = Field(
        default=None, description="port of the people's pages; without it 8720, or in the local stack one that is free"
    )
    activation_url: str | None = Field(
        default=None,
        description="where people reach these pages (https://…), as Clever and ClassLink know it; without it the "
        "address that they listen on",
    )
    sign_in_file: Path | None = Field(
        default=None,
        description="a JSON file with the sign-in servers: Clever, ClassLink, identity providers (docs/sign-in.md); "
        "without it nobody can sign in",
    )
    product_token_file: Path | None = Field(
        default=None,
        description="a file with the token, of at least 32 characters, that the product sends to the HTTP interface "
        "(docs/classes.md); without it nobody is let in there",
    )

    @property
    def remembered_rows(self) -> Path:
        """The folder in which ingest remembers rows."""
        return self.memory_folder or self.home / "remembered"
