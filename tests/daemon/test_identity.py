"""Who the daemon is, and how a stranger comes to its token."""

from pathlib import Path
import stat

import pytest

from indextts_daemon.errors import PairingClosedError, PairingCodeInvalidError, SettingsError
from indextts_daemon.identity import (
    PAIRING_LIFETIME_S,
    Identity,
    Pairing,
    open_identity,
    read_token,
)
from tests.daemon.rooms import shut

GIVEN, BY_HAND, RIGHT, BLANK = "given", "by-hand", "right", " "


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


def test_a_token_written_by_hand_is_taken_and_an_empty_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{BY_HAND}\n")
    assert open_identity(tmp_path).token == BY_HAND
    (tmp_path / "token").write_text("\n")
    assert read_token(tmp_path) is None
    assert open_identity(tmp_path).token == read_token(tmp_path) != BY_HAND


def test_without_a_token_there_is_none_and_none_is_made(tmp_path: Path) -> None:
    assert read_token(tmp_path / "absent") is None
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("content", ["two\nlines", "a b", "schlüssel", "\x00"])
def test_a_token_that_no_header_can_carry_is_refused_unseen(content: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^INDEXTTS_TOKEN must be ASCII") as refused:
        open_identity(tmp_path, token=content)
    (tmp_path / "token").write_text(content)
    with pytest.raises(SettingsError, match="token must be ASCII") as refused_too:
        open_identity(tmp_path)
    assert content not in refused.value.message + refused_too.value.message


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


def test_a_token_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()
    with pytest.raises(SettingsError, match=r"token cannot be read \(Is a directory\)"):
        open_identity(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b"5", b"{}", b'{"instance_id": 5}', b'{"instance_id":""}'],
)
def test_a_broken_instance_file_is_refused_and_left_alone(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "instance.json").write_bytes(content)
    with pytest.raises(SettingsError, match="does not hold an instance id"):
        open_identity(tmp_path)
    assert (tmp_path / "instance.json").read_bytes() == content


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
