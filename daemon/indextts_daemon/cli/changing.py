"""The commands that change a running daemon."""

import argparse

from .asked import data_dir_of, remote_of, settings_of, source_of


def config(asked: argparse.Namespace) -> int:
    from indextts_daemon import config_command

    settings = settings_of(asked, tell=asked.action != "check")
    remote = remote_of(asked, settings)
    match asked.action:
        case "show":
            return config_command.show(settings, remote)
        case "check":
            return config_command.check(asked.file, source_of(asked), remote)
        case "set":
            return config_command.put(asked.file, remote)
        case "rollback":
            return config_command.roll_back(asked.version, remote)
    return config_command.versions(remote)


def reload(asked: argparse.Namespace) -> int:
    from indextts_daemon.config_command import reload

    return reload(asked.scope, remote_of(asked, settings_of(asked)))


def pause(asked: argparse.Namespace) -> int:
    from indextts_daemon.sharing_command import pause

    remote = remote_of(asked, settings_of(asked))
    return pause(remote, reason=asked.reason, minutes=asked.minutes)


def resume(asked: argparse.Namespace) -> int:
    from indextts_daemon.sharing_command import resume

    return resume(remote_of(asked, settings_of(asked)))


def prewarm(asked: argparse.Namespace) -> int:
    from indextts_daemon.sharing_command import prewarm

    return prewarm(remote_of(asked, settings_of(asked)), asked.model)


def document(asked: argparse.Namespace) -> int:
    from indextts_daemon import documents_command

    settings, data_dir = settings_of(asked), data_dir_of(asked)
    remote = remote_of(asked, settings)
    match asked.action:
        case "show":
            return documents_command.show(asked.document, data_dir, remote)
        case "set":
            return documents_command.put(asked.document, asked.file, remote)
        case "preview":
            given = {"language": asked.language, "voice": asked.voice}
            body = {"text": asked.text} | {name: one for name, one in given.items() if one}
            return documents_command.preview(body, data_dir, remote, home=settings.language)
    said = {"phonemes": {asked.notation: asked.sound}} if asked.notation else {"say": asked.sound}
    where = {"languages": asked.language, "voices": asked.voice}
    fields = {"from": asked.word, **said} | {name: one for name, one in where.items() if one}
    return documents_command.say_it_like(fields, remote)
