"""The command line: flags and words; the work is done in the rooms below."""

import argparse
import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
import logging
import os
from pathlib import Path
import sys
from typing import Any

import platformdirs

from . import __version__
from .checkpoints.catalogue import Published, published
from .config import USUAL_NAME, Settings, Source, best, boot, settings_history
from .errors import SpeechError
from .identity import read_token, renew_token
from .remote import NoDaemonError, Remote
from .storage import atomic_write

LOGGER = logging.getLogger(__name__)

PROGRAM = "indextts-daemon"
DOCUMENTS = {"lexicon": "say how words are said", "moods": "say which moods there are"}
SUFFIXES = {
    ".wav": "wav",
    ".pcm": "pcm",
    ".mp3": "mp3",
    ".opus": "opus",
    ".ogg": "opus",
    ".flac": "flac",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the process's exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked))
    except SpeechError as err:
        print(f"{PROGRAM}: {err.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="A voice for the house, made on its own machine."
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data-dir", type=Path, metavar="FOLDER", help="token, voices, models")
    address = argparse.ArgumentParser(add_help=False, parents=[data])
    address.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings in YAML (default: settings.yaml in the data folder)",
    )
    address.add_argument(
        "--host", action="append", metavar="IP", help="address to listen on; may be given again"
    )
    address.add_argument("--port", type=int, help="TCP port; 0 picks a free one")
    engine = argparse.ArgumentParser(add_help=False)
    engine.add_argument(
        "--engine", choices=["auto", "indextts", "embedded", "fake"], help="what speaks"
    )
    engine.add_argument(
        "--model", dest="folder", metavar="FOLDER", help="the IndexTTS model that it loads"
    )

    serve = commands.add_parser("serve", parents=[engine, address], help="run the daemon")
    serve.add_argument("--no-zeroconf", action="store_true", help="do not announce it")
    serve.set_defaults(run=_serve)

    say = commands.add_parser("say", parents=[address], help="speak a text into a file")
    say.add_argument("text")
    say.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"its ending names the format: {' '.join(SUFFIXES)}",
    )
    say.add_argument("--voice", metavar="ID")
    say.add_argument("--language", default="auto", metavar="TAG")
    say.add_argument("--speed", type=float)
    say.add_argument("--seed", type=int)
    say.set_defaults(run=_say)

    commands.add_parser(
        "pair", parents=[address], help="show a code for a new client"
    ).set_defaults(run=_pair)
    token = commands.add_parser("token", parents=[data], help="print the token")
    token.add_argument("--new", action="store_true", help="make a new one; clients pair again")
    token.set_defaults(run=_token)
    check = commands.add_parser(
        "check", parents=[engine, address], help="see whether the daemon can run"
    )
    check.set_defaults(run=_check)

    models = commands.add_parser("models", help="fetch IndexTTS models and make them ready")
    _add_model_actions(models, data=data, address=address)

    voices = commands.add_parser("voices", help="look after recordings of voices")
    _add_voice_actions(voices, data=data, address=address)

    _add_config_actions(commands.add_parser("config", help="see and change settings"), address)
    reload = commands.add_parser("reload", parents=[address], help="read again what is on the disk")
    reload.add_argument(
        "scope",
        nargs="?",
        default="all",
        choices=["all", "config", "voices", "moods", "lexicon", "models", "token"],
        help="one kind of it (default: %(default)s)",
    )
    reload.set_defaults(run=_reload)

    for name, about in DOCUMENTS.items():
        _add_document_actions(commands.add_parser(name, help=about), name, address)

    _add_sharing_commands(commands, address)

    commands.add_parser(
        "operations", parents=[address], help="show what was changed, and how that went"
    ).set_defaults(run=_list_operations)

    bench = commands.add_parser("bench", help="measure how soon and how fast it speaks here")
    bench.add_argument(
        "--engine", choices=["embedded", "fake"], default="embedded", help="what speaks"
    )
    bench.add_argument("--json", action="store_true", help="print figures for machines")
    bench.add_argument("--quick", action="store_true", help="half a minute instead of three")
    bench.set_defaults(run=_bench)
    return parser


def _add_voice_actions(
    voices: argparse.ArgumentParser,
    *,
    data: argparse.ArgumentParser,
    address: argparse.ArgumentParser,
) -> None:
    actions = voices.add_subparsers(required=True, metavar="ACTION")
    listed = actions.add_parser("list", parents=[data], help="show what is here")
    listed.set_defaults(run=_list_voices)
    judged = actions.add_parser("check", help="say how good recordings are")
    judged.add_argument("files", type=Path, nargs="+", metavar="FILE")
    judged.set_defaults(run=_check_recordings)

    recorded = argparse.ArgumentParser(add_help=False, parents=[address])
    recorded.add_argument("file", type=Path, metavar="FILE", help="wav, flac, ogg or mp3")
    recorded.add_argument(
        "--id", required=True, help="of the voice: small letters, digits, - and _"
    )
    recorded.add_argument(
        "--consent", required=True, metavar="TEXT", help="who agreed to this, and when"
    )
    recorded.add_argument("--name", help="that people see")
    recorded.add_argument("--languages", metavar="TAGS", help="that it is to speak, with commas")
    added = actions.add_parser("add", parents=[recorded], help="make a voice of a recording")
    added.set_defaults(run=_add_voice)
    replaced = actions.add_parser("replace", parents=[recorded], help="record a voice anew")
    replaced.set_defaults(run=_replace_voice)
    deleted = actions.add_parser("delete", parents=[address], help="forget a voice")
    deleted.add_argument("id", metavar="ID")
    deleted.add_argument("--yes", action="store_true", help="do not ask")
    deleted.set_defaults(run=_delete_voice)


def _add_model_actions(
    models: argparse.ArgumentParser,
    *,
    data: argparse.ArgumentParser,
    address: argparse.ArgumentParser,
) -> None:
    model = argparse.ArgumentParser(add_help=False, parents=[data])
    model.add_argument("model", metavar="MODEL", help="an id that `models list` shows")
    actions = models.add_subparsers(required=True, metavar="ACTION")

    listed = actions.add_parser("list", parents=[address], help="show what is here")
    listed.add_argument("--json", action="store_true", help="print it for machines")
    listed.set_defaults(run=_list_models)
    download = actions.add_parser(
        "download", parents=[model], help="fetch a model, or go on with it"
    )
    download.add_argument(
        "--from",
        dest="source",
        choices=["huggingface", "modelscope"],
        default="huggingface",
        help="where from (default: %(default)s)",
    )
    download.add_argument(
        "--accept-license", action="store_true", help="accept the model's license unasked"
    )
    download.add_argument(
        "--with-emotion", action="store_true", help="with what judges words about feelings: 1.2 GB"
    )
    download.set_defaults(run=_download_model)
    convert = actions.add_parser("convert", parents=[model], help="make it load faster")
    convert.set_defaults(run=_convert_model)
    verify = actions.add_parser("verify", parents=[model], help="look at every byte of it")
    verify.set_defaults(run=_verify_model)
    remove = actions.add_parser("remove", parents=[model], help="delete it")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(run=_remove_model)

    served = argparse.ArgumentParser(add_help=False, parents=[address])
    served.add_argument("model", metavar="MODEL", help="an id that the daemon serves")
    versions = actions.add_parser("versions", parents=[served], help="show which ones are here")
    versions.set_defaults(run=_list_versions)
    for action, what in {
        "load": "have the daemon load it",
        "unload": "have the daemon unload it",
        "activate": "make it the one that speaks",
        "rollback": "go back to what spoke before it",
    }.items():
        change = actions.add_parser(action, parents=[served], help=what)
        change.set_defaults(run=_change_model, action=action, version=None)
        if action == "activate":
            change.add_argument("version", nargs="?", metavar="VERSION", help="of the model")


def _add_config_actions(config: argparse.ArgumentParser, address: argparse.ArgumentParser) -> None:
    config.set_defaults(run=_config)
    actions = config.add_subparsers(required=True, metavar="ACTION", dest="action")
    actions.add_parser("show", parents=[address], help="print every setting as it counts")
    check = actions.add_parser(
        "check", parents=[address], help="see whether a document is good, and what it would change"
    )
    check.add_argument("file", nargs="?", help="default: the settings file; - reads the input")
    put = actions.add_parser("set", parents=[address], help="take a document for the settings")
    put.add_argument("file", metavar="FILE", help="- reads the input")
    actions.add_parser(
        "versions", parents=[address], help="list the last good settings, the newest first"
    )
    back = actions.add_parser("rollback", parents=[address], help="go back to good settings")
    back.add_argument(
        "version", nargs="?", type=int, help="a number that `versions` shows (default: one back)"
    )


def _add_sharing_commands(commands: Any, address: argparse.ArgumentParser) -> None:
    pause = commands.add_parser(
        "pause", parents=[address], help="leave the GPU to other work, and wait until it is free"
    )
    pause.add_argument("--minutes", type=float, metavar="N", help="resume by itself after that")
    pause.add_argument("--reason", metavar="TEXT", help="shown to the household")
    pause.set_defaults(run=_pause)
    resume = commands.add_parser("resume", parents=[address], help="take the GPU back")
    resume.set_defaults(run=_resume)
    prewarm = commands.add_parser(
        "prewarm", parents=[address], help="load a model before it is needed"
    )
    prewarm.add_argument("model", nargs="?", metavar="MODEL", help="its id (default: what speaks)")
    prewarm.set_defaults(run=_prewarm)


def _add_document_actions(
    document: argparse.ArgumentParser, name: str, address: argparse.ArgumentParser
) -> None:
    document.set_defaults(run=_document, document=name)
    actions = document.add_subparsers(required=True, metavar="ACTION", dest="action")
    actions.add_parser("show", parents=[address], help="print what is written")
    put = actions.add_parser("set", parents=[address], help="take another document")
    put.add_argument("file", metavar="FILE", help="- reads the input")
    if name != "lexicon":
        return
    like = actions.add_parser("say-it-like", parents=[address], help="say a word as another")
    like.add_argument("word", metavar="WORD")
    like.add_argument("sound", metavar="SOUND", help="another spelling, such as Seersha")
    like.add_argument(
        "--notation", choices=["cmu", "pinyin", "kana"], help="SOUND is in phonemes of this kind"
    )
    like.add_argument(
        "--language", action="append", metavar="TAG", help="only in this one; may be given again"
    )
    like.add_argument(
        "--voice", action="append", metavar="ID", help="only in this one; may be given again"
    )
    preview = actions.add_parser("preview", parents=[address], help="see how a text is read aloud")
    preview.add_argument("text", metavar="TEXT")
    preview.add_argument("--language", metavar="TAG")
    preview.add_argument("--voice", metavar="ID")


def _serve(asked: argparse.Namespace) -> int:
    from .serve import run
    from .service.settings_file import SettingsFile

    source, history = _source(asked), settings_history(_data_dir(asked))
    settings, problems = boot(source, history)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for problem in problems:
        LOGGER.error("the last good settings are used: %s", problem.message)
    asyncio.run(
        run(
            settings,
            data_dir=_data_dir(asked),
            settings_file=SettingsFile(source, history, problems=problems),
            token=os.environ.get("INDEXTTS_TOKEN"),
            say=_tell,
        )
    )
    return 0


def _tell(line: str) -> None:
    """Print for whoever started the daemon; once nobody reads any more, go quiet."""
    try:
        print(line, flush=True)
    except (OSError, ValueError):
        sys.stdout = None  # print then does nothing, and the exit flushes nothing


def _say(asked: argparse.Namespace) -> int:
    try:
        form = SUFFIXES[asked.output.suffix.lower()]
    except KeyError:
        raise SpeechError(
            f"The output's ending names the format: one of {' '.join(SUFFIXES)}."
        ) from None
    body = {"input": asked.text, "response_format": form, "language": asked.language}
    body |= {
        name: value
        for name in ("voice", "speed", "seed")
        if (value := getattr(asked, name)) is not None
    }
    return asyncio.run(_speak_to_file(asked, body))


async def _speak_to_file(asked: argparse.Namespace, body: dict[str, object]) -> int:
    settings = _settings(asked)
    try:
        written = await _write(asked.output, _remote(asked, settings).speak(body))
        who = "the running daemon"
    except NoDaemonError:
        from .doorless import speak_here

        written = await _write(asked.output, speak_here(settings, body, data_dir=_data_dir(asked)))
        who = "this command (no daemon runs)"
    print(f"{asked.output}: {written} bytes, spoken by {who}")
    return 0


async def _write(file: Path, audio: AsyncGenerator[bytes]) -> int:
    """Write what comes; the file appears once it is whole."""
    async with aclosing(audio):
        content = b"".join([part async for part in audio])
    if not await asyncio.to_thread(file.parent.is_dir):
        raise SpeechError(f"There is no folder {file.parent}.")
    try:
        await asyncio.to_thread(atomic_write, file, content, mode=0o644)
    except OSError as err:
        raise SpeechError(f"{file} cannot be written ({err.strerror}).") from err
    return len(content)


def _pair(asked: argparse.Namespace) -> int:
    code, lifetime_s = asyncio.run(_remote(asked, _settings(asked)).open_pairing())
    print(f"Pairing code: {code} (for {lifetime_s // 60} minutes)")
    return 0


def _token(asked: argparse.Namespace) -> int:
    data_dir, given = _data_dir(asked), os.environ.get("INDEXTTS_TOKEN")
    if not asked.new:
        token = read_token(data_dir, given=given)
    elif (given or "").strip():
        raise SpeechError("INDEXTTS_TOKEN wins over the file: change it there.")
    else:
        token = renew_token(data_dir) if data_dir.is_dir() else None
    if token is None:
        raise SpeechError(
            f"There is no token in {data_dir} yet. Start the daemon once, or name the folder that "
            "it uses with --data-dir."
        )
    print(token)
    if asked.new:
        print(
            "A daemon that runs takes it within seconds. Home Assistant will ask to pair again: "
            "enter this token there, or a code that `indextts-daemon pair` shows.",
            file=sys.stderr,
        )
    return 0


def _check(asked: argparse.Namespace) -> int:
    from .check import check

    return check(_source(asked).load(), data_dir=_data_dir(asked))


def _bench(asked: argparse.Namespace) -> int:
    from .bench import bench

    return bench(quick=asked.quick, as_json=asked.json, engine=asked.engine)


def _list_models(asked: argparse.Namespace) -> int:
    from .models_command import list_models

    remote = _remote(asked, _settings(asked))
    return list_models(_data_dir(asked) / "models", remote, as_json=asked.json)


def _download_model(asked: argparse.Namespace) -> int:
    from .checkpoints.hub import source
    from .models_command import download

    model, folder = _model(asked)
    if asked.with_emotion:
        model = model.with_feelings()
    where = source(asked.source, os.environ)
    return download(model, folder, where, accept=asked.accept_license)


def _convert_model(asked: argparse.Namespace) -> int:
    from .models_command import convert

    return convert(*_model(asked))


def _verify_model(asked: argparse.Namespace) -> int:
    from .models_command import verify

    return verify(*_model(asked))


def _remove_model(asked: argparse.Namespace) -> int:
    from .models_command import remove

    return remove(*_model(asked), yes=asked.yes)


def _list_versions(asked: argparse.Namespace) -> int:
    from .models_command import list_versions

    return list_versions(_remote(asked, _settings(asked)), asked.model)


def _change_model(asked: argparse.Namespace) -> int:
    from .models_command import change_model

    remote = _remote(asked, _settings(asked))
    return change_model(remote, asked.model, asked.action, asked.version)


def _list_operations(asked: argparse.Namespace) -> int:
    from .models_command import list_operations

    return list_operations(_remote(asked, _settings(asked)))


def _list_voices(asked: argparse.Namespace) -> int:
    from .service.voices import VoiceStore
    from .voices_command import list_voices

    folder = _data_dir(asked)
    return list_voices(VoiceStore(folder / "voices", folder / "state" / "voices"))


def _check_recordings(asked: argparse.Namespace) -> int:
    from .voices_command import check_recordings

    return check_recordings(asked.files)


def _add_voice(asked: argparse.Namespace) -> int:
    from .voices_command import add_voice

    said = {"id": asked.id, **_said_of_voice(asked)}
    return add_voice(asked.file, said, _remote(asked, _settings(asked)))


def _replace_voice(asked: argparse.Namespace) -> int:
    from .voices_command import replace_voice

    remote = _remote(asked, _settings(asked))
    return replace_voice(asked.file, asked.id, _said_of_voice(asked), remote)


def _said_of_voice(asked: argparse.Namespace) -> dict[str, str]:
    said = {"consent": asked.consent, "name": asked.name, "languages": asked.languages}
    return {name: value for name, value in said.items() if value is not None}


def _delete_voice(asked: argparse.Namespace) -> int:
    from .voices_command import delete_voice

    return delete_voice(asked.id, _remote(asked, _settings(asked)), yes=asked.yes)


def _config(asked: argparse.Namespace) -> int:
    from . import config_command

    settings = _settings(asked, tell=asked.action != "check")
    remote = _remote(asked, settings)
    match asked.action:
        case "show":
            return config_command.show(settings, remote)
        case "check":
            return config_command.check(asked.file, _source(asked), remote)
        case "set":
            return config_command.put(asked.file, remote)
        case "rollback":
            return config_command.roll_back(asked.version, remote)
    return config_command.versions(remote)


def _reload(asked: argparse.Namespace) -> int:
    from .config_command import reload

    return reload(asked.scope, _remote(asked, _settings(asked)))


def _pause(asked: argparse.Namespace) -> int:
    from .sharing_command import pause

    remote = _remote(asked, _settings(asked))
    return pause(remote, reason=asked.reason, minutes=asked.minutes)


def _resume(asked: argparse.Namespace) -> int:
    from .sharing_command import resume

    return resume(_remote(asked, _settings(asked)))


def _prewarm(asked: argparse.Namespace) -> int:
    from .sharing_command import prewarm

    return prewarm(_remote(asked, _settings(asked)), asked.model)


def _document(asked: argparse.Namespace) -> int:
    from . import documents_command

    settings, data_dir = _settings(asked), _data_dir(asked)
    remote = _remote(asked, settings)
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


def _model(asked: argparse.Namespace) -> tuple[Published, Path]:
    """Return the model that was named, and its folder."""
    model = published(asked.model)
    return model, _data_dir(asked) / "models" / model.id


def _settings(asked: argparse.Namespace, *, tell: bool = True) -> Settings:
    """Read the settings by which the daemon is found; the last good ones where they are bad."""
    settings, problems = best(_source(asked), settings_history(_data_dir(asked)))
    if problems and tell:
        told = " ".join(problem.message for problem in problems)
        print(f"{PROGRAM}: {told} The last good settings are used.", file=sys.stderr)
    return settings


def _source(asked: argparse.Namespace) -> Source:
    """Return where the settings come from that this command line sees."""
    flags = {
        "engine": getattr(asked, "engine", None),
        "indextts.model": getattr(asked, "folder", None),
        "server.host": asked.host,
        "server.port": asked.port,
        "discovery.enabled": False if getattr(asked, "no_zeroconf", False) else None,
    }
    return Source(
        file=asked.config or _data_dir(asked) / USUAL_NAME,
        required=asked.config is not None,
        environment=os.environ,
        flags={key: value for key, value in flags.items() if value is not None},
    )


def _data_dir(asked: argparse.Namespace) -> Path:
    return asked.data_dir or platformdirs.user_data_path(PROGRAM, appauthor=False)


def _remote(asked: argparse.Namespace, settings: Settings) -> Remote:
    """Return the daemon that these settings describe, as seen from this machine."""
    token = read_token(_data_dir(asked), given=os.environ.get("INDEXTTS_TOKEN"))
    return Remote.at(settings.server.host[0], settings.server.port, token)
