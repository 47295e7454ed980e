"""The statements that merge one kind's staged records into its table, made from the kind's columns."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from psycopg import sql

from schemas.records import RecordKind
from services.database.roster_tables import ARRAYS, COLUMNS

PersonKind: TypeAlias = Literal["teachers", "students"]


@dataclass(frozen=True, slots=True)
class MergeStatements:
    """Each takes %(district)s (and %(roster_version)s) and changes exactly as many rows as the header counts."""

    remove: sql.Composed
    update: sql.Composed
    create: sql.Composed


def record_statements(kind: Literal["schools", "classes"]) -> MergeStatements:
    """Give the statements of a kind that is all record.

    What is removed or updated must still have the digest that the change set was computed against; a record that
    has not is left alone, and the count that comes out short refuses the whole set.
    """
    parts = _parts(kind)
    return MergeStatements(
        remove=_remove(parts),
        update=_update(parts),
        create=sql.SQL(
            "INSERT INTO {table} (district, id, {names}, digest, roster_version)"
            " SELECT %(district)s, s.id, {values}, s.digest, %(roster_version)s"
            " FROM staged s CROSS JOIN LATERAL json_to_record(s.record::json) AS r({fields})"
            " WHERE s.kind = {kind} AND s.op = 'created'"
        ).format(**parts),
    )


@dataclass(frozen=True, slots=True)
class PersonStatements(MergeStatements):
    """`move`, which goes first, changes the classes of those of `moved` who are there already.

    It passes over whoever is not in what they are to lose, or is in what they are to gain: the change set was computed
    against something else. `create` gives a row: how many people it made, and how many of them are in `moved`.
    """

    move: sql.Composed


def person_statements(kind: PersonKind) -> PersonStatements:
    """Give the statements of a kind whose rows have `classes`. Who is removed must be in none any more."""
    parts = _parts(kind)
    return PersonStatements(
        move=sql.SQL(
            "UPDATE {table} t"
            " SET classes = ARRAY(SELECT c FROM unnest(t.classes) AS c WHERE c <> ALL (m.lost)) || m.gained"
            " FROM moved m WHERE t.district = %(district)s AND t.id = m.person"
            " AND t.classes @> m.lost AND NOT t.classes && m.gained"
        ).format(**parts),
        remove=sql.SQL("{} AND t.classes = '{{}}'").format(_remove(parts)),
        update=_update(parts),
        create=sql.SQL(
            "WITH made AS ("
            " INSERT INTO {table} (district, id, {names}, classes, digest, roster_version)"
            " SELECT %(district)s, s.id, {values}, coalesce(m.gained, '{{}}'), s.digest, %(roster_version)s"
            " FROM staged s CROSS JOIN LATERAL json_to_record(s.record::json) AS r({fields})"
            " LEFT JOIN moved m ON m.person = s.id"
            " WHERE s.kind = {kind} AND s.op = 'created'"
            " RETURNING classes <> '{{}}' AS moved"
            ") SELECT count(*), count(*) FILTER (WHERE moved) FROM made"
        ).format(**parts),
    )


def _parts(kind: RecordKind) -> dict[str, sql.Composable]:
    columns = [name for name in COLUMNS[kind] if name != "id"]
    return {
        "table": sql.Identifier(kind),
        "kind": sql.Literal(kind),
        "names": sql.SQL(", ").join(map(sql.Identifier, columns)),
        "fields": sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL("text[]" if name in ARRAYS else "text"))
            for name in columns
        ),
        "values": sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(name)) for name in columns),
        "sets": sql.SQL(", ").join(sql.SQL("{0} = r.{0}").format(sql.Identifier(name)) for name in columns),
    }


def _remove(parts: dict[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(
        "DELETE FROM {table} t USING staged s"
        " WHERE t.district = %(district)s AND s.kind = {kind} AND s.op = 'removed'"
        " AND t.id = s.id AND t.digest = s.before_digest"
    ).format(**parts)


def _update(parts: dict[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(
        "UPDATE {table} t SET {sets}, digest = s.digest, roster_version = %(roster_version)s"
        " FROM staged s CROSS JOIN LATERAL json_to_record(s.record::json) AS r({fields})"
        " WHERE t.district = %(district)s AND s.kind = {kind} AND s.op = 'updated'"
        " AND t.id = s.id AND t.digest = s.before_digest"
    ).format(**parts)
