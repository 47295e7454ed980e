"""What is remembered between pulls is a cache: it can be missing, foreign, old or impossible, and nobody fails."""

import os
import time
from pathlib import Path

from services.districts import District
from services.ingest.remembered_rows import (
    FORGOTTEN_AFTER_SECONDS,
    UNFINISHED_AFTER_SECONDS,
    RememberedBlock,
    RowMemory,
    forget,
    forget_gone,
)

OAK = District(district="oak", name="Oak", provider="clever", url="https://api.example.org")


class _Block(RememberedBlock, frozen=True):
    what: str


def _remembered(folder: Path, of: District = OAK, context: str = "") -> list[_Block]:
    memory = RowMemory(folder, of)
    memory.begin()
    blocks = memory.recall("users", _Block, context).between("", "z")
    memory.close()
    return blocks


def _remember(folder: Path, blocks: list[_Block]) -> None:
    memory = RowMemory(folder, OAK)
    memory.begin()
    memory.remember("users", blocks)
    memory.keep()
    memory.close()


BLOCKS = [
    _Block(b"digest", [f"{number:05}" for number in range(first, first + 10)], b"ab" * 10, "a word")
    for first in range(0, 5000, 10)
]


def test_blocks_come_back_from_where_they_are_asked_for_and_by_collection_and_context(tmp_path: Path) -> None:
    _remember(tmp_path, BLOCKS)
    assert _remembered(tmp_path) == BLOCKS
    assert BLOCKS[0].row_digests() == [b"ab"] * 10
    assert _remembered(tmp_path, context="another") == []
    memory = RowMemory(tmp_path, OAK)
    memory.begin()
    recall = memory.recall("users", _Block)
    for first in range(5, 5000, 500):
        blocks = recall.between(f"{first:05}", f"{first + 490:05}")
        assert blocks == [
            block for block in BLOCKS if block.ids[-1] >= f"{first:05}" and block.ids[0] <= f"{first + 490:05}"
        ]
    assert memory.recall("sections", _Block).between("", "z") == []
    memory.close()


def test_a_number_given_once_is_not_given_again_by_a_later_pull(tmp_path: Path) -> None:
    given: list[int] = []
    for _ in range(3):
        memory = RowMemory(tmp_path, OAK)
        memory.begin()
        given += [memory.new_number(), memory.new_number()]
        memory.keep()
        memory.close()
    assert len(set(given)) == len(given)


def test_a_memory_is_put_in_place_only_when_it_is_kept_and_its_owner_alone_can_read_it(tmp_path: Path) -> None:
    memory = RowMemory(tmp_path, OAK)
    memory.begin()
    memory.remember("users", BLOCKS)
    memory.close()
    assert list(tmp_path.iterdir()) == []
    _remember(tmp_path, BLOCKS)
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("oak.rows", 0o600)]


def test_what_a_killed_pull_left_is_removed_after_a_day_and_what_one_is_writing_is_not(tmp_path: Path) -> None:
    killed, writing = tmp_path / "oak.abc.unfinished", tmp_path / "oak.def.unfinished"
    killed.touch()
    writing.touch()
    yesterday = time.time() - UNFINISHED_AFTER_SECONDS - 60
    os.utime(killed, (yesterday, yesterday))
    forget_gone(tmp_path, {"oak"})
    assert list(tmp_path.iterdir()) == [writing]


def test_what_was_remembered_of_another_url_is_not_given(tmp_path: Path) -> None:
    _remember(tmp_path, BLOCKS)
    assert _remembered(tmp_path, OAK.model_copy(update={"url": "https://elsewhere.example.org"})) == []


def test_a_folder_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    _remember(in_the_way, BLOCKS)
    assert _remembered(in_the_way) == []


def test_districts_that_were_not_pulled_for_long_are_forgotten(tmp_path: Path) -> None:
    old, new, foreign = tmp_path / "old.rows", tmp_path / "new.rows", tmp_path / "foreign.txt"
    long_ago = time.time() - FORGOTTEN_AFTER_SECONDS - 60
    for path in (old, new, foreign):
        path.touch()
    os.utime(old, (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    forget_gone(tmp_path, {"old", "new", "foreign"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign.txt", "new.rows"]


def test_districts_that_are_not_registered_any_more_are_forgotten(tmp_path: Path) -> None:
    for name in ("oak.rows", "oak-hill.rows", "oak.abc.unfinished", "oak-hill.abc.unfinished", "foreign.txt"):
        (tmp_path / name).touch()
    forget_gone(tmp_path, {"oak-hill"})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "foreign.txt",
        "oak-hill.abc.unfinished",
        "oak-hill.rows",
    ]


def test_one_district_is_forgotten_with_what_a_pull_of_it_was_writing_and_no_other(tmp_path: Path) -> None:
    for name in ("oak.rows", "oak.abc.unfinished", "oak-hill.rows", "oak-hill.abc.unfinished"):
        (tmp_path / name).touch()
    forget(tmp_path, "oak")
    forget(tmp_path / "not there", "oak")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["oak-hill.abc.unfinished", "oak-hill.rows"]


def test_a_pull_whose_district_is_forgotten_meanwhile_leaves_nothing_and_does_not_fail(tmp_path: Path) -> None:
    memory = RowMemory(tmp_path, OAK)
    memory.begin()
    memory.remember("users", BLOCKS)
    forget(tmp_path, "oak")
    memory.keep()
    memory.close()
    assert list(tmp_path.iterdir()) == []
