"""`rollcall class show`: a synced class, its label and its activated count, from the command line."""

from pathlib import Path

from tests.classroom import Classroom
from tests.cli import Cli


def test_class_show_tells_label_count_and_who_has_activated_by_ids_alone(database: str, tmp_path: Path) -> None:
    room = Classroom(database)
    rollcall = Cli.of(tmp_path, "127.0.0.1:9", database, "")
    shown = rollcall("class", "show", "springfield", "math/5")
    assert shown.status == 0, shown.err
    assert shown.out.splitlines() == [
        "Math 5 - Period 3   District Synced",
        "2 of 3 students activated",
        "class math/5 of springfield, Lincoln Elementary",
        f"known to the product as {room.math}",
        "  teacher t1: activated, primary",
        "  teacher t2: required",
        "  student p1: activated",
        "  student p2: activated",
        "  student p3: required",
    ]
    told = rollcall("class", "show", "springfield", "math/5", "--json").object
    assert (told["label"], told["students_activated"], told["students"]) == ("District Synced", 2, 3)
    assert [person["id"] for person in told["people"] if person["state"] == "required"] == ["t2", "p3"]
    for unknown, code in ((("shelbyville", "math/5"), "unknown-district"), (("springfield", "x"), "unknown-class")):
        refused = rollcall("class", "show", *unknown, "--json")
        assert (refused.status, refused.object["error"]["code"]) == (1, code)
