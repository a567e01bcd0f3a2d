"""Who may use the graphics card: for a pause or a game the models leave it, and they come back."""

import asyncio
from collections.abc import Coroutine, Iterator
import logging
import time

from indextts_daemon.errors import EngineUnavailableError, Problem, SpeechError
from indextts_daemon.worker.handle import WorkerState

from .card import Card
from .generation import Generations
from .neighbors import Neighbors, Tenancy
from .operations import Operation, Operations, Result, Running
from .pause import GAME_MODE, Pause, PauseBook
from .pool import known
from .residency import STUCK, Residency, Resident, on_card

LOGGER = logging.getLogger(__name__)

GIB = 2**30
SCOPE = "sharing"
USUAL_REASON = "paused"
BUSY_CARD = "Another program needs the graphics card."
COME_BACK_S = 60.0  # what is said where nobody knows
LIVE = frozenset({WorkerState.loading, WorkerState.warming, WorkerState.ready})


class ResumeFirstError(SpeechError):
    """The card was left to others; it has to be taken back before anything is loaded."""

    code = "resume_first"


class Sharing:
    """Sends the models away, and has them back: one move at a time, the last wish counts."""

    def __init__(
        self,
        generations: Generations,
        operations: Operations,
        residency: Residency,
        book: PauseBook,
        card: Card,
    ) -> None:
        self.residency = residency
        self.when_paused = book.begun
        self._generations = generations
        self._operations = operations
        self._book = book
        self._card = card
        self._neighbors = Neighbors(book.others_bytes)
        self._turn = asyncio.Lock()  # of who sends models away or has them back
        self._moves: dict[str, asyncio.Task[Operation]] = {}  # by operation

    @property
    def paused(self) -> Pause | None:
        """The pause that is in force."""
        return self._book.now

    def may_use_gpu(self, model: Resident) -> bool:
        """Whether a model may be loaded and speak."""
        return self.paused is None or not on_card(model)

    def refusal(self) -> EngineUnavailableError:
        """Return what to tell who asks for a model that is away, and when to ask again."""
        pause = self.paused
        if pause is None:  # it has just ended
            return EngineUnavailableError("The model is coming back.", code="loading")
        why = "Another program needs the GPU." if pause.by_watch else "The voice is paused."
        left_s = COME_BACK_S if pause.until is None else pause.until - time.time()
        return EngineUnavailableError(
            f"{why} POST /v1/resume, or `indextts-daemon resume`, brings it back.",
            code=pause.code,
            retry_after_s=max(1.0, left_s),
        )

    async def pause(
        self, *, who: str, reason: str = USUAL_REASON, until: float | None = None
    ) -> Operation:
        """Let nobody use the card from now on, and send away who is there; `done` waits for that.

        It is written down on return. The watch changes nothing about a pause.
        """
        running = self._operations.begin(SCOPE, "pause", who=who)
        before = self.paused
        if before is not None and who == GAME_MODE:
            return running.end(Result.unchanged, generation=self._generations.current.number)
        since = time.time() if before is None else before.since
        pause = Pause(reason=reason, who=who, since=since, until=until)
        self._neighbors.left()
        self._book.note(pause)
        if before is None:
            LOGGER.info("paused by %s", who)
        self._move(running, self._leave(running, news=pause != before))
        await asyncio.shield(self._book.save(others_bytes=self._neighbors.others_bytes))
        return running.now

    async def resume(self, *, who: str) -> Operation:
        """End the pause, and have the default model and the pinned ones back."""
        running = self._operations.begin(SCOPE, "resume", who=who)
        if self.paused is None:
            return running.end(Result.unchanged, generation=self._generations.current.number)
        self._book.note(None)
        LOGGER.info("resumed by %s", who)
        self._move(running, self._come_back(running))
        await asyncio.shield(self._book.save(others_bytes=self._neighbors.others_bytes))
        return running.now

    def prewarm(self, model_id: str | None = None, *, who: str) -> Operation:
        """Load a model, or the default; `done` waits for that.

        Raises ModelNotFoundError, and ResumeFirstError while it may not use the card.
        """
        current = self._generations.current
        model = known(current, model_id or current.default)
        self._require_here(model)
        running = self._operations.begin(SCOPE, "prewarm", who=who, subject=model.id)
        self._move(running, self._warm(model, running))
        return running.now

    async def done(self, operation: Operation) -> Operation:
        """Wait until an operation of ours has ended; who gives up waiting does not stop it."""
        if (move := self._moves.get(operation.id)) is not None:
            return await asyncio.shield(move)
        return self._operations.get(operation.id) or operation

    async def tick(self, now: float) -> None:
        """Look around, once a second; `now` is monotonic. What follows from it is only begun."""
        pause = self.paused
        if pause is not None and pause.until is not None and time.time() >= pause.until:
            await self.resume(who=pause.who)
        away = self.paused is not None
        staying = [model for model in self._models() if not on_card(model)]
        self.residency.rest(now, spare=staying if away else ())  # they are all that speaks
        await self._watch(now)
        if self.paused is not None and not self._turn.locked() and self._strays():
            LOGGER.warning("a model came while the daemon is paused, and is sent away again")
            running = self._operations.begin(SCOPE, "unload", who=self.paused.who)
            self._move(running, self._leave(running, news=False))

    async def close(self) -> None:
        """Give up what is under way; a pause stays in force for the next start."""
        moves = tuple(self._moves.values())
        for move in moves:
            move.cancel()
        await asyncio.gather(*moves, return_exceptions=True)
        await self.residency.close()

    def _move(self, running: Running, work: Coroutine[object, object, Operation]) -> None:
        id_ = running.now.id
        self._moves[id_] = move = asyncio.create_task(work, name=f"sharing {id_}")
        move.add_done_callback(lambda _: self._moves.pop(id_))

    async def _leave(self, running: Running, *, news: bool) -> Operation:
        async with self._turn:
            if self.paused is None:
                return running.end(Result.rejected, code="resumed", errors=(RESUMED,))
            here = tuple(self._here())
            running.say("What is being spoken is finished first.")
            gone = await self.residency.evict(here, reason=self._eviction())
        number = self._generations.current.number
        running.detail(unloaded=[model.id for model in here])
        if not gone:
            return running.end(Result.rejected, generation=number, code="internal", errors=(STUCK,))
        result = Result.applied if news or here else Result.unchanged
        return running.end(result, generation=number)

    async def _come_back(self, running: Running) -> Operation:
        async with self._turn:
            if self.paused is not None:
                return running.end(Result.rejected, code=self.paused.code, errors=(PAUSED,))
            current = self._generations.current
            wanted = dict.fromkeys((current.default, *current.settings.models.pinned))
            for id_ in wanted:
                if id_ in current.models:
                    current.models[id_].keep()
            return running.end(Result.applied, generation=current.number)

    async def _warm(self, model: Resident, running: Running) -> Operation:
        number = self._generations.current.number
        warm = model.state is WorkerState.ready
        try:
            await self.residency.load(model, require=lambda: self._require_here(model))
        except TimeoutError:
            late = Problem(message=f"The model {model.id} is still loading.")
            return running.end(Result.rejected, generation=number, code="loading", errors=(late,))
        except SpeechError as err:
            why, code = (Problem(message=err.message),), err.error_code
            return running.end(Result.rejected, generation=number, code=code, errors=why)
        return running.end(Result.unchanged if warm else Result.applied, generation=number)

    async def _watch(self, now: float) -> None:
        """Leave the card to others who need it, and come back once they do not."""
        pause = self.paused
        if self._turn.locked() or (pause is not None and not pause.by_watch):
            return
        if not self._generations.current.settings.sharing.game_mode:
            if pause is not None:
                await self.resume(who=GAME_MODE)
            return
        if pause is None and not any(self._concerned()):
            return
        seen = await self._card.usage()
        if self.paused is not pause:
            return
        if pause is not None:
            if self._neighbors.calm(seen, self._tenancy(), now):
                await self.resume(who=GAME_MODE)
        elif seen is not None and self._neighbors.press(seen, self._tenancy(), now):
            await self.pause(who=GAME_MODE, reason=BUSY_CARD)

    def _tenancy(self) -> Tenancy:
        current = self._generations.current
        here = [model for model in self._concerned() if model.state is not WorkerState.unloaded]
        settled = all(model.state is WorkerState.ready for model in here)
        default = current.models[current.default]
        return Tenancy(
            resident=frozenset(model.id for model in here),
            held_bytes=sum(model.memory_bytes or 0 for model in here) if settled else None,
            need_bytes=default.memory_bytes or 0,
            spare_bytes=int(current.settings.sharing.free_gib * GIB),
        )

    def _concerned(self) -> Iterator[Resident]:
        """Yield the models that have a use for the card now, also those that do not count yet."""
        current = self._generations.current
        staying = {current.default, *current.settings.models.pinned}
        for model in self._generations.residents:
            wanted = model.id in staying or model.state is not WorkerState.unloaded
            if wanted and on_card(model):
                yield model

    def _models(self) -> tuple[Resident, ...]:
        return tuple(self._generations.current.models.values())

    def _here(self) -> Iterator[Resident]:
        """Yield who has to leave."""
        for model in self._models():
            if on_card(model) and model.state is not WorkerState.unloaded:
                yield model

    def _strays(self) -> bool:
        return any(model.state in LIVE for model in self._here())

    def _eviction(self) -> str:
        return "foreign" if self.paused is not None and self.paused.by_watch else "admin"

    def _require_here(self, model: Resident) -> None:
        if not self.may_use_gpu(model):
            raise ResumeFirstError(
                "The GPU is left to other work. Resume first: POST /v1/resume, or "
                "`indextts-daemon resume`."
            )


RESUMED = Problem(message="It was resumed before the models had left.")
PAUSED = Problem(message="It was paused again before the models had come back.")
