"""What `rollcall plan` leaves behind where its pull fails; it needs no database for that."""

import gc
import warnings
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from services.cli.dry_run import dry_run
from services.districts import District
from services.ingest.source import PullFailedError
from services.settings import Settings

NO_DATABASE = cast(psycopg.Connection[Any], None)


def test_a_plan_whose_pull_fails_closes_every_file_that_it_opened(tmp_path: Path) -> None:
    district = District(district="d1", name="A district", provider="oneroster-csv", url=str(tmp_path / "none"))
    gc.collect()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(PullFailedError):
            dry_run(NO_DATABASE, district, Settings(home=tmp_path), lambda _: None)
        gc.collect()

    assert [str(warning.message) for warning in warned] == []
