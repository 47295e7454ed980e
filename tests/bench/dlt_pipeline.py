"""The same district with dlt, as its documentation recommends: `tests.bench.dlt_nights` runs it where dlt is installed.

It imports nothing of Rollcall's, and loads of each row what Rollcall uses of it. Recommended ("Optimizing dlt", "Merge
loading" and "Postgres" at dlthub.com/docs): whole pages are yielded, transformers share one request, `merge` with
primary keys, files of limited size so that normalizing can use every core, orjson, CSV files into PostgreSQL by COPY.
"""

import argparse
import json
import os
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

Page = list[dict[str, Any]]

NEXT = "links[?(@.rel=='next')].uri"


def _student(user: dict[str, Any]) -> dict[str, Any]:
    role = user["roles"]["student"]
    return {
        "id": user["id"],
        "email": user["email"],
        "given": user["name"].get("first"),
        "family": user["name"]["last"],
        "school": role["school"],
        "number": role["student_number"],
        "grade": role["grade"],
        "birth_date": role["dob"],
    }


def _teacher(user: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": user["id"],
        "email": user["email"],
        "given": user["name"].get("first"),
        "family": user["name"]["last"],
        "school": user["roles"]["teacher"].get("school"),
    }


def _class(section: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "name", "school", "course", "grade", "subject")
    return {name: section[name] for name in names}


def _places(section: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for role in ("teacher", "student"):
        for person in section[f"{role}s"]:
            yield {"class_id": section["id"], "user_id": person, "role": role}


def clever(address: str) -> Any:
    """Give a source of students, teachers, classes of the current term and enrollments of a Clever district."""
    paginator = JSONLinkPaginator(next_url_path=NEXT)
    client = RESTClient(f"{address}/v3.0", paginator=paginator, data_selector="data[*].data")
    today = str(datetime.now(UTC).date())
    [terms] = client.paginate("terms")
    past_or_coming = {term["id"] for term in terms if not term["start_date"] <= today <= term["end_date"]}

    def users() -> Iterator[Page]:
        for page in client.paginate("users", params={"limit": 10_000}):
            yield list(page)

    def sections() -> Iterator[Page]:
        for page in client.paginate("sections", params={"limit": 1_000}):
            yield [section for section in page if section["term_id"] not in past_or_coming]

    def students(page: Page) -> Page:
        return [_student(user) for user in page if "student" in user["roles"]]

    def teachers(page: Page) -> Page:
        return [_teacher(user) for user in page if "teacher" in user["roles"]]

    def classes(page: Page) -> Page:
        return [_class(section) for section in page]

    def enrollments(page: Page) -> Page:
        return [place for section in page for place in _places(section)]

    def tables() -> Iterator[Any]:
        people, lessons = dlt.resource(users, selected=False), dlt.resource(sections, selected=False)
        for page_of, source, key in ((students, people, "id"), (teachers, people, "id"), (classes, lessons, "id")):
            yield dlt.transformer(page_of, data_from=source, write_disposition="merge", primary_key=key)
        place = ("class_id", "user_id")
        yield dlt.transformer(enrollments, data_from=lessons, write_disposition="merge", primary_key=place)

    return dlt.source(tables, name="clever")()


def main() -> None:
    """Run the nights; the last line of output has the seconds of each, as JSON, with the counts after the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="of the recorded answers")
    parser.add_argument("nights", type=int, nargs="+")
    given = parser.parse_args()
    dlt.config["normalize.workers"] = os.cpu_count()
    dlt.config["data_writer.file_max_items"] = 100_000
    pipeline = dlt.pipeline("bench", destination="postgres", dataset_name="dlt_bench")
    seconds: dict[int, float] = {}
    counts: dict[str, int] = {}
    for night in given.nights:
        urllib.request.urlopen(urllib.request.Request(f"{given.address}/night/{night}", method="PUT")).close()
        begun = time.perf_counter()
        pipeline.run(clever(given.address), loader_file_format="csv").raise_on_failed_jobs()
        seconds[night] = time.perf_counter() - begun
        if not counts:
            with pipeline.sql_client() as client:
                for table in ("students", "teachers", "classes", "enrollments"):
                    counts[table] = client.execute_sql(f"SELECT count(*) FROM {table}")[0][0]
    print(json.dumps({"version": dlt.__version__, "seconds": seconds, "counts": counts}))


if __name__ == "__main__":
    main()
