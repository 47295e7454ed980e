"""`rollcall district …`: which districts are registered, and how their providers are reached."""

from typing import Annotated, Any

import typer
from rich.table import Table

from schemas.records import KINDS
from services.cli.answer import AsJson, answer, output, progress
from services.cli.district_input import checked_district
from services.cli.failures import CommandError
from services.cli.operator_session import OperatorSession, operator_session
from services.district_rows import district as district_row
from services.district_rows import districts, put_district, remove_district
from services.districts import District, PlanName, ProviderName
from services.ingest.remembered_rows import forget

DistrictId = Annotated[str, typer.Argument(metavar="ID", help="The district's id, such as springfield.")]
Name = Annotated[str, typer.Option("--name", help="The district's name.")]
Provider = Annotated[ProviderName, typer.Option("--provider", help="Who gives the roster.")]
Url = Annotated[str, typer.Option("--url", help="The provider's base address; for oneroster-csv a folder or a zip.")]
CredentialsFile = Annotated[
    str | None, typer.Option("--credentials", metavar="FILE", help="A JSON file that signs the requests.")
]
ApiPath = Annotated[str | None, typer.Option("--api-path", help="The path below the url, if it is an unusual one.")]
Timezone = Annotated[str, typer.Option("--timezone", help="Such as America/Chicago.")]
Plan = Annotated[PlanName, typer.Option("--plan", help="Only districts on the districts plan are rostered.")]
Contact = Annotated[str | None, typer.Option("--contact", metavar="EMAIL", help="Whom to tell about held nights.")]
SettingUp = Annotated[bool, typer.Option("--setting-up", help="The first load passes without a review.")]
TenantId = Annotated[
    str | None,
    typer.Option(
        "--tenant-id",
        help="What sign-in knows the district by: Clever's district id, or ClassLink's tenant id (for pulls also our "
        "application's id).",
    ),
]
CaFile = Annotated[str | None, typer.Option("--ca-file", metavar="FILE", help="A CA bundle to trust for this server.")]
PageSize = Annotated[
    int | None, typer.Option("--page-size", help="Records in one request; the provider's most if absent.")
]

commands = typer.Typer(
    help="The registered districts.",
    no_args_is_help=True,
    epilog="Example: rollcall district list",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="district")


@commands.command(
    "add",
    epilog="Example: rollcall district add springfield --name 'Springfield Unified' --provider clever "
    "--url https://api.clever.com --credentials springfield.json --timezone America/Chicago --setting-up",
)
def add(  # noqa: PLR0917 - each is an option of its own
    district_id: DistrictId,
    name: Name,
    provider: Provider,
    url: Url,
    credentials: CredentialsFile = None,
    api_path: ApiPath = None,
    timezone: Timezone = "America/New_York",
    plan: Plan = "districts",
    contact: Contact = None,
    setting_up: SettingUp = False,
    tenant_id: TenantId = None,
    ca_file: CaFile = None,
    page_size: PageSize = None,
    as_json: AsJson = False,
) -> None:
    """Register a district; its nights begin with the next weeknight."""
    typed = checked_district(
        {
            "district": district_id,
            "name": name,
            "provider": provider,
            "url": url,
            "credentials_file": credentials,
            "api_path": api_path,
            "timezone": timezone,
            "plan": plan,
            "contact": contact,
            "setting_up": setting_up,
            "tenant_id": tenant_id,
            "ca_file": ca_file,
            "page_size": page_size,
        }
    )
    with operator_session() as session, session.connection.transaction():
        if district_row(session.connection, district_id) is not None:
            raise CommandError(
                "district-exists", f"{district_id} is registered already; change it with `rollcall district update`"
            )
        put_district(session.connection, typed)
    _tell(typed, f"{district_id} is registered; `rollcall sync {district_id} --wait` rosters it now.", as_json=as_json)


@commands.command("update", epilog="Example: rollcall district update springfield --timezone America/Denver")
def update(  # noqa: PLR0917 - each is an option of its own
    district_id: DistrictId,
    name: Annotated[str | None, typer.Option("--name", help="The district's name.")] = None,
    provider: Annotated[ProviderName | None, typer.Option("--provider", help="Who gives the roster.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="The provider's base address; or a folder or zip.")] = None,
    credentials: CredentialsFile = None,
    api_path: ApiPath = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Such as America/Chicago.")] = None,
    plan: Annotated[PlanName | None, typer.Option("--plan", help="districts or enterprise-starter.")] = None,
    contact: Contact = None,
    setting_up: Annotated[
        bool | None, typer.Option("--setting-up/--no-setting-up", help="Whether the first load passes unreviewed.")
    ] = None,
    tenant_id: TenantId = None,
    ca_file: CaFile = None,
    page_size: PageSize = None,
    as_json: AsJson = False,
) -> None:
    """Change what is registered of a district; an empty text ('') takes an optional value away."""
    typed: dict[str, Any] = {
        "name": name,
        "provider": provider,
        "url": url,
        "credentials_file": credentials,
        "api_path": api_path,
        "timezone": timezone,
        "plan": plan,
        "contact": contact,
        "setting_up": setting_up,
        "tenant_id": tenant_id,
        "ca_file": ca_file,
        "page_size": page_size,
    }
    given = {key: value for key, value in typed.items() if value is not None}
    optional = ("credentials_file", "api_path", "contact", "tenant_id", "ca_file")
    given.update({key: None for key in optional if given.get(key) == ""})
    with operator_session() as session, session.connection.transaction():
        changed = checked_district({**session.district(district_id).model_dump(), **given})
        put_district(session.connection, changed)
    _tell(changed, f"{district_id} is changed.", as_json=as_json)


@commands.command("list", epilog="Example: rollcall district list --json")
def list_(as_json: AsJson = False) -> None:
    """Show all registered districts."""
    with operator_session() as session:
        found = districts(session.connection)
    if as_json:
        answer({"districts": [district.model_dump() for district in found]})
        return
    if not found:
        output.print("No district is registered yet; `rollcall district add --help` shows how.")
        return
    table = Table("district", "name", "provider", "time zone", "plan", box=None, padding=(0, 2, 0, 0))
    for district in found:
        table.add_row(district.district, district.name, district.provider, district.timezone, district.plan)
    output.print(table)


@commands.command("show", epilog="Example: rollcall district show springfield")
def show(district_id: DistrictId, as_json: AsJson = False) -> None:
    """Show what is registered of a district and what is rostered for it."""
    with operator_session() as session:
        described = {**session.district(district_id).model_dump(), "roster": _roster(session, district_id)}
    if as_json:
        answer(described)
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for field, value in described.items():
        if field != "roster" and value is not None:
            table.add_row(field.replace("_", " "), str(value))
    for field, value in described["roster"].items():
        table.add_row(field.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value or "never"))
    output.print(table)


@commands.command("remove", epilog="Example: rollcall district remove springfield --yes")
def remove(
    district_id: DistrictId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget a district and everything that is rostered for it; accounts stay."""
    with operator_session() as session:
        session.district(district_id)
        roster = _roster(session, district_id)
        if not yes:
            typer.confirm(
                f"Remove {district_id} with {roster['students']:,} students, {roster['teachers']:,} teachers and "
                f"{roster['classes']:,} classes? Accounts stay.",
                abort=True,
                err=True,
            )
        remove_district(session.connection, district_id)
        try:
            forget(session.settings.remembered_rows, district_id)
        except OSError as error:
            progress.print(f"What ingest remembers of its rows is still there ({error}); ingest deletes it itself.")
    if as_json:
        answer({"district": district_id, "removed": True})
    else:
        output.print(f"{district_id} is removed.")


def _roster(session: OperatorSession, district_id: str) -> dict[str, Any]:
    columns = ("roster_version", *KINDS, "synced_at")
    row = session.connection.execute(
        "SELECT roster_version, schools, teachers, students, classes, places, synced_at FROM rosters"
        " WHERE district = %s",
        (district_id,),
    ).fetchone()
    values = dict(zip(columns, row or (0,) * 6 + (None,), strict=True))
    return {**values, "synced_at": values["synced_at"].isoformat() if values["synced_at"] else None}


def _tell(district: District, sentence: str, *, as_json: bool) -> None:
    if district.plan == "enterprise-starter":
        progress.print(f"{district.district} is on the Enterprise Starter plan, which does not include rostering.")
    if as_json:
        answer(district.model_dump())
    else:
        output.print(sentence)
