"""Who the daemon is, and how a stranger comes to its token."""

import json
import os
from pathlib import Path
import shutil
import stat

import pytest

from indextts_daemon.errors import PairingClosedError, PairingCodeInvalidError, SettingsError
from indextts_daemon.identity import (
    PAIRING_LIFETIME_S,
    Identity,
    Pairing,
    open_identity,
    read_token,
    renew_token,
)
from tests.daemon.rooms import shut

GIVEN, BY_HAND, RIGHT, BLANK = "given", "written-by-hand-and-long", "right", " "


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_the_identity_is_made_once(tmp_path: Path) -> None:
    first = open_identity(tmp_path / "data")
    assert open_identity(tmp_path / "data") == first
    assert len(first.instance_id) == 32
    assert len(first.token) >= 32
    other = open_identity(tmp_path / "other")
    assert other.instance_id != first.instance_id
    assert other.token != first.token


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    open_identity(tmp_path)
    for name in ("token", "instance.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_token_that_is_given_wins_and_is_not_kept(tmp_path: Path) -> None:
    assert open_identity(tmp_path, token=f"{GIVEN}\n").token == GIVEN
    assert not (tmp_path / "token").exists()
    kept = open_identity(tmp_path).token
    assert open_identity(tmp_path, token=GIVEN).token == GIVEN
    assert open_identity(tmp_path, token=BLANK).token == kept
    assert read_token(tmp_path) == kept
    assert read_token(tmp_path, given=GIVEN) == GIVEN


def test_a_token_written_by_hand_is_taken(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{BY_HAND}\n")
    assert open_identity(tmp_path).token == BY_HAND


def test_a_token_that_can_be_guessed_does_not_count(tmp_path: Path) -> None:
    first = open_identity(tmp_path).token
    (tmp_path / "token").write_text("x\n")
    assert open_identity(tmp_path).token == first
    assert read_token(tmp_path, given="x") == "x"  # who sets the environment knows what he does


@pytest.mark.parametrize("name", ["token", "instance.json"])
def test_what_was_deleted_is_made_anew(name: str, tmp_path: Path) -> None:
    first = open_identity(tmp_path)
    (tmp_path / name).unlink()
    second = open_identity(tmp_path)
    assert (second.token == first.token) == (name != "token")
    assert (second.instance_id == first.instance_id) == (name == "token")
    assert open_identity(tmp_path) == second


def test_without_a_token_there_is_none_and_none_is_made(tmp_path: Path) -> None:
    assert read_token(tmp_path / "absent") is None
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        *((text, "ASCII") for text in ("two\nlines", "a b", "schlüssel", "\x00")),
        ("x" * 1025, "at most 1024"),
        ("x" * 100_000, "at most 1024"),
    ],
)
def test_a_token_that_no_header_can_carry_is_refused_unseen(
    content: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=rf"^INDEXTTS_TOKEN must be {why}") as refused:
        open_identity(tmp_path, token=content)
    (tmp_path / "token").write_text(content)
    with pytest.raises(SettingsError, match=f"token must be {why}") as refused_too:
        read_token(tmp_path)
    assert content not in refused.value.message + refused_too.value.message


def test_the_longest_token_is_taken(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x" * 1024)
    assert open_identity(tmp_path).token == "x" * 1024


def spoil(file: Path, how: str) -> None:
    """Damage a file in one of the ways that disks and people have."""
    content = file.read_bytes()
    if how == "a folder":
        file.unlink()
        (file / "below").mkdir(parents=True)
    elif how == "a circle":
        file.unlink()
        file.symlink_to(file)
    elif how == "a pipe":
        file.unlink()
        os.mkfifo(file)
    else:
        cut = {"empty": b"", "blank": b" \n", "half": content[: len(content) // 2] + b" "}
        garbage = {
            "zeros": bytes(len(content)),
            "garbage": b"\xff\xfe{]",
            "[]": b"[]",
            "huge": b"{" * 10**6,
        }
        file.write_bytes((cut | garbage)[how])


DAMAGE = [
    "empty",
    "blank",
    "half",
    "zeros",
    "garbage",
    "[]",
    "huge",
    "a folder",
    "a circle",
    "a pipe",
]


DAMAGED = [
    (name, damage)
    for name in ("token", "instance.json")
    for damage in DAMAGE
    if name != "token" or damage not in {"half", "[]"}  # a token may look like that
]


@pytest.mark.parametrize(("name", "damage"), DAMAGED)
def test_a_damaged_file_counts_as_it_last_was_and_is_left_alone(
    name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = open_identity(tmp_path)
    spoil(tmp_path / name, damage)
    before = sorted(path.name for path in tmp_path.iterdir())
    for _ in range(2):
        assert open_identity(tmp_path) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert name in caplog.text
    assert str(tmp_path) not in caplog.text
    assert first.token not in caplog.text


@pytest.mark.parametrize(("name", "damage"), DAMAGED)
def test_a_damaged_file_that_was_never_good_is_set_aside(
    name: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = open_identity(tmp_path)
    shutil.rmtree(tmp_path / "state")
    spoil(tmp_path / name, damage)
    second = open_identity(tmp_path)
    assert (second.token != first.token) == (name == "token")
    assert (second.instance_id != first.instance_id) == (name != "token")
    assert open_identity(tmp_path) == second
    (aside,) = [*tmp_path.glob(f"{name}.broken-*")] or [None]
    assert (aside is None) == (name == "token" and damage in {"empty", "blank"})
    assert "Home Assistant will" in caplog.text or aside is None


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_copy_does_no_harm(damage: str, tmp_path: Path) -> None:
    first = open_identity(tmp_path)
    spoil(tmp_path / "state/identity.json", damage)
    assert open_identity(tmp_path) == first


@pytest.mark.parametrize(
    "copy",
    [
        '{"instance_id": "x", "token": "kept"}',
        '{"instance_id": 5, "token": "kept"}',
        '{"instance_id": "00000000000000000000000000000000"}',
        *('"x"', "{}", "[]", "null"),
    ],
)
def test_a_copy_that_makes_no_sense_does_not_count(copy: str, tmp_path: Path) -> None:
    open_identity(tmp_path)
    (tmp_path / "state/identity.json").write_text(copy)
    (tmp_path / "token").write_bytes(b"\xff")
    assert open_identity(tmp_path).token not in {"kept", "x"}
    assert [*tmp_path.glob("token.broken-*")]


@pytest.mark.parametrize("token", [None, 5, "", "a b"])
def test_of_a_copy_without_a_token_the_instance_counts(token: object, tmp_path: Path) -> None:
    copy = {"instance_id": "1" * 32, "token": token}
    (tmp_path / "state").mkdir()
    (tmp_path / "state/identity.json").write_text(json.dumps(copy))
    for name in ("token", "instance.json"):
        (tmp_path / name).write_bytes(b"\xff")
    found = open_identity(tmp_path)
    assert found.instance_id == "1" * 32
    assert len(found.token) >= 32


def test_a_given_token_is_not_kept_in_the_copy_either(tmp_path: Path) -> None:
    own = open_identity(tmp_path).token
    open_identity(tmp_path, token=GIVEN)
    assert GIVEN not in (tmp_path / "state/identity.json").read_text()
    (tmp_path / "token").write_bytes(b"")
    assert open_identity(tmp_path).token == own


def test_the_copy_is_for_the_owner_and_written_only_when_it_changes(tmp_path: Path) -> None:
    open_identity(tmp_path)
    copy = tmp_path / "state/identity.json"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    before = copy.stat().st_ino
    open_identity(tmp_path)
    assert copy.stat().st_ino == before
    (tmp_path / "token").write_text(BY_HAND)
    open_identity(tmp_path)
    assert BY_HAND in copy.read_text()


def test_without_room_for_the_copy_the_identity_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_bytes(b"a file in place of the folder")
    assert open_identity(tmp_path) == open_identity(tmp_path)
    assert "could not keep a copy" in caplog.text


def test_a_new_token_replaces_the_old_one_and_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    first = open_identity(tmp_path).token
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
    renewed = renew_token(tmp_path)
    file = tmp_path / "token"
    assert renewed == open_identity(tmp_path).token != first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (file.stat().st_uid, file.stat().st_gid) == (
        tmp_path.stat().st_uid,
        tmp_path.stat().st_gid,
    )


def test_a_new_token_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    first = open_identity(tmp_path).token
    with shut(tmp_path), pytest.raises(SettingsError, match=r"cannot be written \(Permission"):
        renew_token(tmp_path)
    assert read_token(tmp_path) == first


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(SettingsError, match=r"cannot be used \(.+\)\. Make it writable"):
            open_identity(folder)


def test_a_data_folder_that_is_shut_is_refused_by_everybody(tmp_path: Path) -> None:
    open_identity(tmp_path)
    with shut(tmp_path):
        with pytest.raises(SettingsError, match=r"cannot be used \(Permission denied\)"):
            open_identity(tmp_path)
        with pytest.raises(SettingsError, match=r"cannot be read \(Permission denied\).+the user"):
            read_token(tmp_path)
        assert read_token(tmp_path, given=GIVEN) == GIVEN


@pytest.mark.parametrize("token", ["", "right ", "Right", "righ", "righté", "\ud800", "right" * 9])
def test_only_the_token_itself_is_admitted(token: str) -> None:
    identity = Identity(instance_id="0" * 32, token=RIGHT)
    assert identity.admits(RIGHT)
    assert not identity.admits(token)


def test_the_open_code_is_good_once(tmp_path: Path) -> None:
    pairing = Pairing(tmp_path)
    code = pairing.open()
    assert len(code) == 6
    assert code.isdecimal()
    pairing.redeem(code)
    with pytest.raises(PairingClosedError):
        pairing.redeem(code)


def test_without_a_code_pairing_is_closed(tmp_path: Path) -> None:
    with pytest.raises(PairingClosedError, match="indextts-daemon pair"):
        Pairing(tmp_path).redeem("000000")


def test_a_code_lives_for_ten_minutes(tmp_path: Path) -> None:
    clock = Clock()
    pairing = Pairing(tmp_path, clock=clock)
    assert PAIRING_LIFETIME_S == 600
    code = pairing.open()
    clock.now += 599.9
    pairing.redeem(code)
    code = pairing.open()
    clock.now += 600
    with pytest.raises(PairingClosedError):
        pairing.redeem(code)
    clock.now -= 600
    with pytest.raises(PairingClosedError):
        pairing.redeem(code)


def test_the_fifth_miss_closes(tmp_path: Path) -> None:
    pairing = Pairing(tmp_path)
    code = pairing.open()
    for _ in range(5):
        with pytest.raises(PairingCodeInvalidError):
            pairing.redeem(wrong(code))
    for late in (wrong(code), code):
        with pytest.raises(PairingClosedError):
            pairing.redeem(late)


def test_four_misses_leave_it_open_and_a_new_code_starts_anew(tmp_path: Path) -> None:
    pairing = Pairing(tmp_path)
    for _ in range(3):
        code = pairing.open()
        for miss in (wrong(code), "", f"{code} ", "\ud800"):
            with pytest.raises(PairingCodeInvalidError):
                pairing.redeem(miss)
    pairing.redeem(code)


def test_a_new_code_replaces_the_open_one_and_its_time(tmp_path: Path) -> None:
    clock = Clock()
    pairing = Pairing(tmp_path, clock=clock)
    first = second = pairing.open()
    clock.now += 599
    while second == first:
        second = pairing.open()
    clock.now += 599
    with pytest.raises(PairingCodeInvalidError):
        pairing.redeem(first)
    pairing.redeem(second)


def test_codes_are_drawn_from_all_there_are(tmp_path: Path) -> None:
    pairing = Pairing(tmp_path)
    codes = [pairing.open() for _ in range(300)]
    assert len(set(codes)) > 290
    assert {code[0] for code in codes} == set("0123456789")


def test_pairing_is_remembered_beyond_a_restart_and_misses_are_not_pairing(tmp_path: Path) -> None:
    pairing = Pairing(tmp_path)
    code = pairing.open()
    with pytest.raises(PairingCodeInvalidError):
        pairing.redeem(wrong(code))
    assert not pairing.ever_paired
    pairing.redeem(code)
    assert pairing.ever_paired
    assert Pairing(tmp_path).ever_paired


def test_pairing_holds_where_it_cannot_be_remembered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_bytes(b"a file in place of the folder")
    pairing = Pairing(tmp_path)
    pairing.redeem(pairing.open())
    assert "could not remember" in caplog.text
    assert not pairing.ever_paired
