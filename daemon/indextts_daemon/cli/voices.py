"""The commands that look after recordings of voices."""

import argparse

from .asked import data_dir_of, remote_of, settings_of


def list_voices(asked: argparse.Namespace) -> int:
    from indextts_daemon.service.voices import VoiceStore
    from indextts_daemon.voices_command import list_voices

    folder = data_dir_of(asked)
    return list_voices(VoiceStore(folder / "voices", folder / "state" / "voices"))


def check_recordings(asked: argparse.Namespace) -> int:
    from indextts_daemon.voices_command import check_recordings

    return check_recordings(asked.files)


def add_voice(asked: argparse.Namespace) -> int:
    from indextts_daemon.voices_command import add_voice

    said = {"id": asked.id, **_said_of_voice(asked)}
    return add_voice(asked.file, said, remote_of(asked, settings_of(asked)))


def replace_voice(asked: argparse.Namespace) -> int:
    from indextts_daemon.voices_command import replace_voice

    remote = remote_of(asked, settings_of(asked))
    return replace_voice(asked.file, asked.id, _said_of_voice(asked), remote)


def _said_of_voice(asked: argparse.Namespace) -> dict[str, str]:
    said = {"consent": asked.consent, "name": asked.name, "languages": asked.languages}
    return {name: value for name, value in said.items() if value is not None}


def delete_voice(asked: argparse.Namespace) -> int:
    from indextts_daemon.voices_command import delete_voice

    return delete_voice(asked.id, remote_of(asked, settings_of(asked)), yes=asked.yes)
