"""The flags and words of every command."""

import argparse
from pathlib import Path
from typing import Any

from indextts_daemon import __version__

from . import changing, models as model_verbs, running, voices as voice_verbs
from .asked import PROGRAM

DOCUMENTS = {"lexicon": "say how words are said", "moods": "say which moods there are"}


def make_parser() -> argparse.ArgumentParser:
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
    serve.set_defaults(run=running.serve)

    say = commands.add_parser("say", parents=[address], help="speak a text into a file")
    say.add_argument("text")
    say.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"its ending names the format: {' '.join(running.SUFFIXES)}",
    )
    say.add_argument("--voice", metavar="ID")
    say.add_argument("--language", default="auto", metavar="TAG")
    say.add_argument("--speed", type=float)
    say.add_argument("--seed", type=int)
    say.set_defaults(run=running.say)

    commands.add_parser(
        "pair", parents=[address], help="show a code for a new client"
    ).set_defaults(run=running.pair)
    token = commands.add_parser("token", parents=[data], help="print the token")
    token.add_argument("--new", action="store_true", help="make a new one; clients pair again")
    token.set_defaults(run=running.token)
    check = commands.add_parser(
        "check", parents=[engine, address], help="see whether the daemon can run"
    )
    check.set_defaults(run=running.check)

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
    reload.set_defaults(run=changing.reload)

    for name, about in DOCUMENTS.items():
        _add_document_actions(commands.add_parser(name, help=about), name, address)

    _add_sharing_commands(commands, address)

    commands.add_parser(
        "operations", parents=[address], help="show what was changed, and how that went"
    ).set_defaults(run=model_verbs.list_operations)

    bench = commands.add_parser("bench", help="measure how soon and how fast it speaks here")
    bench.add_argument(
        "--engine", choices=["embedded", "fake"], default="embedded", help="what speaks"
    )
    bench.add_argument("--json", action="store_true", help="print figures for machines")
    bench.add_argument("--quick", action="store_true", help="half a minute instead of three")
    bench.set_defaults(run=running.bench)
    return parser


def _add_voice_actions(
    voices: argparse.ArgumentParser,
    *,
    data: argparse.ArgumentParser,
    address: argparse.ArgumentParser,
) -> None:
    actions = voices.add_subparsers(required=True, metavar="ACTION")
    listed = actions.add_parser("list", parents=[data], help="show what is here")
    listed.set_defaults(run=voice_verbs.list_voices)
    judged = actions.add_parser("check", help="say how good recordings are")
    judged.add_argument("files", type=Path, nargs="+", metavar="FILE")
    judged.set_defaults(run=voice_verbs.check_recordings)

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
    added.set_defaults(run=voice_verbs.add_voice)
    replaced = actions.add_parser("replace", parents=[recorded], help="record a voice anew")
    replaced.set_defaults(run=voice_verbs.replace_voice)
    deleted = actions.add_parser("delete", parents=[address], help="forget a voice")
    deleted.add_argument("id", metavar="ID")
    deleted.add_argument("--yes", action="store_true", help="do not ask")
    deleted.set_defaults(run=voice_verbs.delete_voice)


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
    listed.set_defaults(run=model_verbs.list_models)
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
    download.set_defaults(run=model_verbs.download_model)
    convert = actions.add_parser("convert", parents=[model], help="make it load faster")
    convert.set_defaults(run=model_verbs.convert_model)
    verify = actions.add_parser("verify", parents=[model], help="look at every byte of it")
    verify.set_defaults(run=model_verbs.verify_model)
    remove = actions.add_parser("remove", parents=[model], help="delete it")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(run=model_verbs.remove_model)

    served = argparse.ArgumentParser(add_help=False, parents=[address])
    served.add_argument("model", metavar="MODEL", help="an id that the daemon serves")
    versions = actions.add_parser("versions", parents=[served], help="show which ones are here")
    versions.set_defaults(run=model_verbs.list_versions)
    for action, what in {
        "load": "have the daemon load it",
        "unload": "have the daemon unload it",
        "activate": "make it the one that speaks",
        "rollback": "go back to what spoke before it",
    }.items():
        change = actions.add_parser(action, parents=[served], help=what)
        change.set_defaults(run=model_verbs.change_model, action=action, version=None)
        if action == "activate":
            change.add_argument("version", nargs="?", metavar="VERSION", help="of the model")


def _add_config_actions(config: argparse.ArgumentParser, address: argparse.ArgumentParser) -> None:
    config.set_defaults(run=changing.config)
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
    pause.set_defaults(run=changing.pause)
    resume = commands.add_parser("resume", parents=[address], help="take the GPU back")
    resume.set_defaults(run=changing.resume)
    prewarm = commands.add_parser(
        "prewarm", parents=[address], help="load a model before it is needed"
    )
    prewarm.add_argument("model", nargs="?", metavar="MODEL", help="its id (default: what speaks)")
    prewarm.set_defaults(run=changing.prewarm)


def _add_document_actions(
    document: argparse.ArgumentParser, name: str, address: argparse.ArgumentParser
) -> None:
    document.set_defaults(run=changing.document, document=name)
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
