"""Words about a feeling judged by a language model that was taught to, where one is installed.

Nothing that it does may cost a household its announcement: where it fails, keyword rules count.
"""

from collections import OrderedDict
from collections.abc import Generator, Mapping
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import torch

from indextts_daemon.checkpoints.hyperparameters import qwen_base
from indextts_daemon.speech import EMOTIONS

from .loader import Weights
from .models.qwen import QwenDecoder
from .networks import feelings_network
from .spelling.rules import CheckpointError
from .walk import live

if TYPE_CHECKING:  # of the extra `emotion`
    from tokenizers import Tokenizer

_LOG = logging.getLogger(__name__)
_PROMPT = (
    "<|im_start|>system\n文本情感分类<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n"  # it answers without thinking first
)
_ENDS = ("<|im_end|>", "<|endoftext|>")
_LABELS = dict(
    zip(("高兴", "愤怒", "悲伤", "恐惧", "反感", "低落", "惊讶", "自然"), EMOTIONS, strict=True)
) | {name: name for name in EMOTIONS}
_PAIR = re.compile(
    rf"({'|'.join(_LABELS)})[\"'\s]*[:\uff1a][\"'\s]*(-?\d+(?:\.\d+)?)", re.IGNORECASE
)
_MOST = 1.2  # that a feeling may weigh
# The judge takes these for sadness, and sadness for them.
_MELANCHOLY = ("低落", "melancholy", "melancholic", "depression", "depressed", "gloomy")
MOST_TOKENS = 192  # of an answer; eight labels and numbers are half of that
KEPT = 64  # texts whose weights are remembered


def weights_in(answer: object) -> tuple[float, ...]:
    """Return the weights that an answer's labels have, calm if it has none.

    A label that stands for itself, or as what another one is, weighs 1.
    """
    found = dict.fromkeys(EMOTIONS, 0.0)
    pairs = answer.items() if isinstance(answer, Mapping) else [("", answer)]
    for label, value in pairs:
        if isinstance(value, str) and value.strip().lower() in _LABELS:
            found[_LABELS[value.strip().lower()]] = 1.0
        elif str(label).lower() in _LABELS:
            found[_LABELS[str(label).lower()]] = min(max(_number(value), 0.0), _MOST)
    if not any(found.values()):
        found["calm"] = 1.0
    return tuple(found.values())


def read(answer: str) -> Any:
    """Return what an answer means as JSON; if it is none, the labels with numbers in it."""
    try:
        return json.loads(answer[answer.find("{") : answer.rfind("}") + 1] or answer)
    except (ValueError, RecursionError):
        return dict(_PAIR.findall(answer)) or answer.strip().strip("\"'")


def _number(value: object) -> float:
    """Return a number, however it is written; 0 for what is none, and for `NaN`."""
    try:
        number = float(value)  # type: ignore[arg-type]  # a wrong type is what is asked
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if number == number else 0.0  # noqa: PLR0124 NaN differs from itself


def straightened(weights: tuple[float, ...], text: str) -> tuple[float, ...]:
    """Swap sadness and melancholy where the text names the latter."""
    if not any(word in text.lower() for word in _MELANCHOLY):
        return weights
    named = dict(zip(EMOTIONS, weights, strict=True))
    named |= {"sad": named["melancholic"], "melancholic": named["sad"]}
    return tuple(named.values())


class FeelingJudge:
    """Judges texts, each once while it is remembered."""

    def __init__(self, network: QwenDecoder, tokenizer: "Tokenizer", *, base: float) -> None:
        ends = [tokenizer.token_to_id(mark) for mark in _ENDS]
        if None in ends or tokenizer.get_vocab_size() > network.sizes.tokens:
            raise CheckpointError("The judge of feelings and its tokenizer do not fit together.")
        self._network, self._tokenizer, self._base = network, tokenizer, base
        self._ends = frozenset(ends)
        self._known: OrderedDict[str, tuple[float, ...]] = OrderedDict()
        self._has_failed = False

    def judge(self, text: str) -> Generator[None, None, tuple[float, ...] | None]:
        """Yield after each piece of work; return weights of EMOTIONS, None if it fails."""
        try:
            if text not in self._known:
                answer = yield from self._answer(text)
                self._known[text] = straightened(weights_in(read(answer)), text)
        except Exception as err:  # noqa: BLE001 whatever it is, the rules can speak
            if not self._has_failed:
                _LOG.warning("The judge of feelings fails: %s. Rules count.", type(err).__name__)
            self._has_failed = True
            return None
        self._known.move_to_end(text)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return self._known[text]

    def _answer(self, text: str) -> Generator[None, None, str]:
        """Yield after each token; return what comes behind the prompt, if need be cut off."""
        prompt = _PROMPT.format(text.replace("<|", "< |"))  # no mark comes from outside
        fed: list[int] = self._tokenizer.encode(prompt, add_special_tokens=False).ids
        cache = self._network.new_cache(len(fed) + MOST_TOKENS)
        device = cache.keys.device
        said: list[int] = []
        row = 0
        while len(said) < MOST_TOKENS:
            rows = torch.arange(row, row + len(fed), device=device)
            row += len(fed)
            ids = torch.tensor([fed], device=device)
            logits = self._network(ids, rows, live(cache, row), base=self._base)
            fed = [int(logits.argmax())]
            if fed[0] in self._ends:
                break
            said += fed
            yield
        return str(self._tokenizer.decode(said))


def open_judge(weights: Weights, *, device: torch.device) -> FeelingJudge | None:
    """Build the judge where the model's folder and the installed packages have what it needs."""
    if "feelings" not in weights.stages:
        return None
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 of the extra `emotion`

        files = weights.found.files
        return FeelingJudge(
            feelings_network(weights, device=device),
            Tokenizer.from_file(str(files["feelings_tokenizer"])),
            base=qwen_base(files["feelings_config"]) or 0.0,
        )
    except ImportError:
        reason = "install 'indextts-daemon[emotion]'"
    except CheckpointError as err:
        reason = err.message
    except Exception as err:  # noqa: BLE001 a tokenizer raises nothing narrower; no memory left
        reason = type(err).__name__
    _LOG.warning("Words about feelings are read by rules, for their judge cannot load: %s", reason)
    return None
