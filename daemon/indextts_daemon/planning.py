"""Plans the line-up: from the settings, from what lies in the models folder and what was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .checkpoints.catalogue import PUBLISHED
from .checkpoints.layout import LayoutError, find
from .checkpoints.revision import revision_of
from .choice import Choice, choose, not_installed
from .config import Settings
from .gpu import Gpu
from .service.activation import MAIN, Activation
from .service.lineup import Lineup
from .service.routing import FALLBACK
from .service.versions import Version, Versions
from .worker.handle import WorkerSpec

WORKER_NICE = 5  # a front that answers at once is worth more than a sentence a little sooner


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Says which models there are and which one speaks by default. Reads the disk."""

    data_dir: Path
    versions: Versions
    gpu: Gpu | None = None  # the machine's own if absent

    def plan(self, settings: Settings, activation: Activation) -> Lineup:
        """Plan anew. What was chosen under other settings does not count any more."""
        chosen = activation.under(settings)
        choice = choose(settings, self.data_dir, gpu=self.gpu)
        active = self._active(settings, chosen)
        found = {one.model: one for one in active if not one.trouble or one.model == choice.model}
        specs = {choice.model: self._main(choice, settings)}
        if choice.model in found and chosen.version(choice.model) != MAIN:
            specs[choice.model] = self._spec(found[choice.model], settings)
        for id_, version in found.items():
            specs.setdefault(id_, self._spec(version, settings))
        specs.setdefault(FALLBACK, WorkerSpec(model=FALLBACK, engine=FALLBACK))
        default, reason = choice.model, choice.reason
        if chosen.default in specs and chosen.default != default:
            default, reason = chosen.default, "It was chosen."
        limits = {
            "load_timeout_s": settings.worker.load_timeout_s,
            "step_timeout_s": settings.worker.step_timeout_s,
            "nice": WORKER_NICE,
        }
        specs = {id_: replace(spec, **limits) for id_, spec in specs.items()}  # type: ignore[arg-type]
        unfit = {one.model: one.trouble for one in active if one.model not in found}
        return Lineup(default=default, specs=specs, reason=reason, unfit=unfit)

    def _active(self, settings: Settings, chosen: Activation) -> list[Version]:
        """Return the chosen version of each model that the settings let be known."""
        engines = {"auto": {"indextts"}, "indextts": {"indextts"}, "fake": {"fake"}}
        allowed = engines.get(settings.engine, set())
        if "indextts" in allowed and not_installed():
            allowed = set()
        published = {one.id for one in PUBLISHED}
        found = []
        for model in self.versions.models():
            for version in self.versions.of(model):
                known = version.engine != "indextts" or model in published
                wanted = version.name == chosen.version(model) and version.engine in allowed
                if known and wanted:
                    found.append(version)
        return found

    def _main(self, choice: Choice, settings: Settings) -> WorkerSpec:
        """Describe what the settings name, whether it can be loaded or not."""
        if choice.engine == "indextts":
            assert choice.folder is not None  # noqa: S101 that engine has one
            content = _content(choice.folder)
            options: Mapping[str, object] = _indextts(choice.folder, settings)
        else:
            version = self._fake_main() if choice.engine == "fake" else None
            content = version.revision if version else ""
            options = _fake(version, choice.model, settings) if choice.engine == "fake" else {}
        return WorkerSpec(
            model=choice.model, engine=choice.engine, content=content, options=options
        )

    def _fake_main(self) -> Version | None:
        return next((one for one in self.versions.of("fake") if one.name == MAIN), None)

    def _spec(self, version: Version, settings: Settings) -> WorkerSpec:
        options = (
            _fake(version, version.model, settings)
            if version.engine == "fake"
            else _indextts(version.folder, settings)
        )
        return WorkerSpec(
            model=version.model,
            engine=version.engine,
            version=version.name,
            content=version.revision,
            options=options,
        )


def _content(folder: Path) -> str:
    """Name what a folder holds; nothing where it cannot be loaded."""
    try:
        return revision_of(find(folder))
    except (LayoutError, OSError):
        return ""


def _indextts(folder: Path, settings: Settings) -> dict[str, object]:
    return {
        "model": str(folder),
        "quality": settings.indextts.quality,
        "device": settings.indextts.device,
    }


def _fake(version: Version | None, model: str, settings: Settings) -> dict[str, object]:
    fake = settings.fake
    said: dict[str, object] = {"load": fake.load, "step_sleep_s": fake.step_s}
    options = {name: value for name, value in said.items() if value}  # they win over the folder's
    if fake.voices:
        options["voices"] = dict(fake.voices)
    return {"id": model, **({"model": str(version.folder)} if version else {}), **options}
