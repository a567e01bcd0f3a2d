"""Settings: defaults, then the YAML file, then the environment, then flags; checked, and frozen."""

from .boot import best, boot, settings_history
from .checks import VOICE_ID
from .document import (
    MOST_BYTES,
    Document,
    Origin,
    decoded,
    explained,
    parse,
    problems,
    read_text,
    read_tree,
    refused,
)
from .schema import SCHEMA, SettingDoc, changes, reference, tree
from .sections import (
    DiscoverySettings,
    FakeSettings,
    IndexTTSSettings,
    ModelsSettings,
    QueueSettings,
    ServerSettings,
    Settings,
    SharingSettings,
    WorkerSettings,
)
from .source import USUAL_NAME, Loaded, Source, load_settings

__all__ = [
    "MOST_BYTES",
    "SCHEMA",
    "USUAL_NAME",
    "VOICE_ID",
    "DiscoverySettings",
    "Document",
    "FakeSettings",
    "IndexTTSSettings",
    "Loaded",
    "ModelsSettings",
    "Origin",
    "QueueSettings",
    "ServerSettings",
    "SettingDoc",
    "Settings",
    "SharingSettings",
    "Source",
    "WorkerSettings",
    "best",
    "boot",
    "changes",
    "decoded",
    "explained",
    "load_settings",
    "parse",
    "problems",
    "read_text",
    "read_tree",
    "reference",
    "refused",
    "settings_history",
    "tree",
]
