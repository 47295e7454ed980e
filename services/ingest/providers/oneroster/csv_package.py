"""Opens a district's OneRoster CSV package, a folder or a zip, and gives its files as streams.

Nothing is unpacked to disk, and only OneRoster's own file names are ever opened, so that a hostile package can neither
write outside, nor read outside, nor fill a disk. Source of the layout: OneRoster 1.1 and 1.2 CSV binding, "Packaging":
the files stand at the root, under their exact names.
"""

import os
import stat
import zipfile
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast

from services.ingest.source import PullFailedError

ROSTER_FILES: tuple[str, ...] = (
    "manifest.csv",
    "orgs.csv",
    "academicSessions.csv",
    "courses.csv",
    "users.csv",
    "roles.csv",
    "demographics.csv",
    "classes.csv",
    "enrollments.csv",
)
"""Every file that Rollcall reads; all others in a package (results, resources, userProfiles) are left alone."""

_FILE_BY_FOLDED_NAME = {name.casefold(): name for name in ROSTER_FILES}
_MIB = 1024 * 1024
_SMALL_BYTES = 16 * _MIB
"""A member below this size is not worth a bomb, however well it is compressed."""

Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class PackageLimits:
    """How large a package may be: bytes of one file and of all, and how many times larger than packed a file may be.

    Seven million enrollments are some 1.5 GiB and pack about 10 to 1; DEFLATE's own limit is about 1,030 to 1.
    """

    file_bytes: int = 4096 * _MIB
    total_bytes: int = 8192 * _MIB
    ratio: int = 100
    members: int = 10_000


class Package(Protocol, AbstractContextManager["Package"]):
    """An opened package. `files` are the names out of ROSTER_FILES that are there."""

    location: Path
    files: frozenset[str]

    def open(self, file: str) -> BinaryIO:
        """Open one of `files` for reading, as raw bytes from its start."""
        ...

    def has_moved(self) -> bool:
        """Tell whether a file has been replaced, added, removed or written to since the package was opened."""
        ...


def open_package(url: str, limits: PackageLimits | None = None) -> Package:
    """Open the folder or zip that a district's `url` names.

    Raises PullFailedError: 'not-found' where nothing readable is there, 'not-a-roster' where what is there is not a
    safe package with OneRoster files at its root.
    """
    limits = limits or PackageLimits()
    location = Path(url).expanduser()
    try:
        # Resolved once: where the name is a link that each upload repoints, one pull reads one upload.
        location = location.resolve(strict=True)
        if location.is_dir():
            return _FolderPackage(location, limits)
        if location.is_file():
            return _ZipPackage(location, limits)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PullFailedError(
            "not-found",
            f"there is no folder or zip at {location}; correct it with `rollcall district update --url`, or wait for "
            "the district's upload",
        ) from error
    except OSError as error:
        raise PullFailedError(
            "not-found",
            f"{location} cannot be read ({error.strerror or type(error).__name__}); let the user that runs Rollcall "
            "read it",
        ) from error
    raise PullFailedError("not-a-roster", f"{location} is neither a folder nor a file; name a folder or a zip")


class _FolderPackage:
    """A package that is a folder."""

    def __init__(self, location: Path, limits: PackageLimits) -> None:
        self.location = location
        with os.scandir(location) as entries:
            names = [entry.name for entry in entries]
        self._names = _roster_names(names, location)
        if not self._names:
            raise _holds_no_roster(location, "folder", names, _nested_folder_on_disk(location, names))
        self.files = frozenset(self._names)
        self._fingerprint = self._look()
        for file, name in self._names.items():
            _check_regular(location / name)
            _check_size(file, (location / name).stat().st_size, limits, location)
        _check_total(sum(size for _, _, size, _ in self._fingerprint), limits, location)

    def open(self, file: str) -> BinaryIO:
        # O_NOFOLLOW: what was checked to be a file is not read if it has become a link meanwhile.
        return open(self.location / self._names[file], "rb", buffering=0, opener=_open_no_follow)

    def has_moved(self) -> bool:
        try:
            with os.scandir(self.location) as entries:
                there = {entry.name for entry in entries if entry.name.casefold() in _FILE_BY_FOLDED_NAME}
            return there != set(self._names.values()) or self._look() != self._fingerprint
        except FileNotFoundError:
            return True

    def _look(self) -> Fingerprint:
        return _fingerprint(self.location / name for _, name in sorted(self._names.items()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open between two files."""


class _ZipPackage:
    """A package that is a zip."""

    def __init__(self, location: Path, limits: PackageLimits) -> None:
        self.location = location
        self._fingerprint = _fingerprint((location,))
        try:
            self._zip = zipfile.ZipFile(location)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise PullFailedError(
                "not-a-roster",
                f"{location} is not a zip, or only a part of one; name a folder or a zip with OneRoster CSV files, "
                "or wait until its upload is complete",
            ) from error
        try:
            self._members = self._check(self._zip.infolist(), limits)
        except BaseException:
            self._zip.close()
            raise
        self.files = frozenset(self._members)

    def open(self, file: str) -> BinaryIO:
        return cast(BinaryIO, self._zip.open(self._members[file]))

    def has_moved(self) -> bool:
        try:
            return _fingerprint((self.location,)) != self._fingerprint
        except FileNotFoundError:
            return True

    def _check(self, members: list[zipfile.ZipInfo], limits: PackageLimits) -> dict[str, zipfile.ZipInfo]:
        """Give the roster's members by file name, or refuse the whole zip: a tampered package is no roster."""
        if len(members) > limits.members:
            raise _refused(self.location, f"it has {len(members)} members, more than the {limits.members} allowed")
        for member in members:
            _check_member_name(member, self.location)
        names = _roster_names([member.filename for member in members], self.location)
        if not names:
            every = [member.filename for member in members]
            raise _holds_no_roster(self.location, "zip", every, _nested_folder_in_zip(every))
        by_name = {member.filename: member for member in members}
        chosen = {file: by_name[name] for file, name in names.items()}
        for file, member in chosen.items():
            _check_member(file, member, limits, self.location)
        _check_total(sum(member.file_size for member in chosen.values()), limits, self.location)
        if sum(member.compress_size for member in members) > self.location.stat().st_size:
            # Overlapping members unpack the same bytes many times over (D. Fifield, "A better zip bomb", 2019).
            raise _refused(self.location, "its members overlap, as a zip bomb's do")
        return chosen

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()


def _open_no_follow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _fingerprint(paths: Iterable[Path]) -> Fingerprint:
    looks = ((path.name, path.lstat()) for path in paths)
    return tuple((name, look.st_ino, look.st_size, look.st_mtime_ns) for name, look in looks)


def _roster_names(names: Iterable[str], location: Path) -> dict[str, str]:
    """Match the names at the package's root with ROSTER_FILES. Case is forgiven where it leaves no doubt."""
    found: dict[str, str] = {}
    for name in names:
        file = _FILE_BY_FOLDED_NAME.get(name.casefold())
        if file is None:
            continue
        if file in found:
            raise _refused(location, f"it has {file} twice; leave only one of them")
        found[file] = name
    return found


def _check_regular(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        raise _refused(path.parent, f"{path.name} is a symbolic link; put the file itself there")
    if not stat.S_ISREG(mode):
        raise _refused(path.parent, f"{path.name} is not a file; put the file itself there")


def _check_member_name(member: zipfile.ZipInfo, location: Path) -> None:
    path = PurePosixPath(member.orig_filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise _refused(location, "a member's path leads outside of it; zip the files themselves, without paths")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _refused(location, "a member is a symbolic link; zip the files themselves")


def _check_member(file: str, member: zipfile.ZipInfo, limits: PackageLimits, location: Path) -> None:
    if member.flag_bits & 0x1:
        raise _refused(location, f"{file} is encrypted with a password; zip it without one")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refused(location, f"{file} is compressed in an unusual way; zip it with the usual one (deflate)")
    _check_size(file, member.file_size, limits, location)
    if member.file_size > _SMALL_BYTES and member.file_size > limits.ratio * member.compress_size:
        raise _refused(
            location,
            f"{file} unpacks to more than {limits.ratio} times its packed size, as a zip bomb does; rosters do not",
        )


def _check_size(file: str, size: int, limits: PackageLimits, location: Path) -> None:
    if size > limits.file_bytes:
        raise _refused(location, f"{file} has {size} bytes, more than the {limits.file_bytes} allowed for one file")


def _check_total(size: int, limits: PackageLimits, location: Path) -> None:
    if size > limits.total_bytes:
        raise _refused(location, f"its files have {size} bytes, more than the {limits.total_bytes} allowed for all")


def _refused(location: Path, why: str) -> PullFailedError:
    return PullFailedError("not-a-roster", f"{location} is refused: {why}")


def _nested_folder_on_disk(location: Path, names: Iterable[str]) -> str | None:
    folders = (location / name for name in sorted(names))
    return next((folder.name for folder in folders if (folder / "orgs.csv").is_file()), None)


def _nested_folder_in_zip(names: Iterable[str]) -> str | None:
    paths = (PurePosixPath(name) for name in names)
    return next((str(path.parent) for path in paths if path.name.casefold() == "orgs.csv"), None)


def _holds_no_roster(location: Path, what: str, names: list[str], nested: str | None) -> PullFailedError:
    """Say that no OneRoster file is at the root. Other files' names are not quoted: they may be anybody's."""
    text = f"the {what} {location} has no OneRoster file at its root (orgs.csv, users.csv, …)"
    if nested is not None:
        advice = "name that folder instead" if what == "folder" else "zip the files, not the folder around them"
        return PullFailedError("not-a-roster", f"{text}; they stand in its folder {nested}: {advice}")
    held = "it is empty" if not names else f"it holds {len(names)} other files"
    return PullFailedError("not-a-roster", f"{text}; {held}. Name the right one with `rollcall district update --url`")
