"""The three statements that merge one kind's staged records into its table, made from the kind's columns."""

from dataclasses import dataclass

from psycopg import sql

from schemas.records import RecordKind
from services.database.roster_tables import COLUMNS

_ARRAYS = {"schools"}


@dataclass(frozen=True, slots=True)
class MergeStatements:
    """Each takes %(district)s (and %(roster_version)s) and changes exactly as many rows as the header counts."""

    remove: sql.Composed
    update: sql.Composed
    create: sql.Composed


def merge_statements(kind: RecordKind) -> MergeStatements:
    """Give the statements of a kind.

    What is removed or updated must still have the digest that the change set was computed against; a record that
    has not is left alone, and the count that comes out short refuses the whole set.
    """
    columns = [name for name in COLUMNS[kind] if name != "id"]
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    fields = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL("text[]" if name in _ARRAYS else "text"))
        for name in columns
    )
    parts = {
        "table": sql.Identifier(kind),
        "kind": sql.Literal(kind),
        "names": names,
        "fields": fields,
        "values": sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(name)) for name in columns),
        "sets": sql.SQL(", ").join(sql.SQL("{0} = r.{0}").format(sql.Identifier(name)) for name in columns),
    }
    return MergeStatements(
        remove=sql.SQL(
            "DELETE FROM {table} t USING staged s"
            " WHERE t.district = %(district)s AND s.kind = {kind} AND s.op = 'removed'"
            " AND t.id = s.id AND t.digest = s.before_digest"
        ).format(**parts),
        update=sql.SQL(
            "UPDATE {table} t SET {sets}, digest = s.digest, roster_version = %(roster_version)s"
            " FROM staged s CROSS JOIN LATERAL json_to_record(s.record::json) AS r({fields})"
            " WHERE t.district = %(district)s AND s.kind = {kind} AND s.op = 'updated'"
            " AND t.id = s.id AND t.digest = s.before_digest"
        ).format(**parts),
        create=sql.SQL(
            "INSERT INTO {table} (district, id, {names}, digest, roster_version)"
            " SELECT %(district)s, s.id, {values}, s.digest, %(roster_version)s"
            " FROM staged s CROSS JOIN LATERAL json_to_record(s.record::json) AS r({fields})"
            " WHERE s.kind = {kind} AND s.op = 'created'"
        ).format(**parts),
    )
