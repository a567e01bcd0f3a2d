"""The commands that look after models."""

import argparse
import os

from .asked import data_dir_of, model_of, remote_of, settings_of


def list_models(asked: argparse.Namespace) -> int:
    from indextts_daemon.models_command import list_models

    remote = remote_of(asked, settings_of(asked))
    return list_models(data_dir_of(asked) / "models", remote, as_json=asked.json)


def download_model(asked: argparse.Namespace) -> int:
    from indextts_daemon.checkpoints.hub import source
    from indextts_daemon.models_command import download

    model, folder = model_of(asked)
    if asked.with_emotion:
        model = model.with_feelings()
    where = source(asked.source, os.environ)
    return download(model, folder, where, accept=asked.accept_license)


def convert_model(asked: argparse.Namespace) -> int:
    from indextts_daemon.models_command import convert

    return convert(*model_of(asked))


def verify_model(asked: argparse.Namespace) -> int:
    from indextts_daemon.models_command import verify

    return verify(*model_of(asked))


def remove_model(asked: argparse.Namespace) -> int:
    from indextts_daemon.models_command import remove

    return remove(*model_of(asked), yes=asked.yes)


def list_versions(asked: argparse.Namespace) -> int:
    from indextts_daemon.models_command import list_versions

    return list_versions(remote_of(asked, settings_of(asked)), asked.model)


def change_model(asked: argparse.Namespace) -> int:
    from indextts_daemon.models_command import change_model

    remote = remote_of(asked, settings_of(asked))
    return change_model(remote, asked.model, asked.action, asked.version)


def list_operations(asked: argparse.Namespace) -> int:
    from indextts_daemon.models_command import list_operations

    return list_operations(remote_of(asked, settings_of(asked)))
