"""
Loras on a model in memory, as PEFT's adapters: one is active at a time, those not used for longest
make room. Used by one thread. Knows nothing of files or of requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from peft import PeftModel, get_peft_model
from transformers import PreTrainedModel

from contract.errors import EngineError
from engine.lora_model import autocast_of, keep_input_dtype, lora_config, matrix_of
from engine.lora_store import StoredLora
from engine.probe import changes_nothing

ReadLora = Callable[[str], StoredLora]


class LoraSlots:
    """`probe_ids` are a prompt on which a loaded lora must change what the model says."""

    def __init__(
        self,
        model: PreTrainedModel,
        read_lora: ReadLora,
        *,
        probe_ids: Sequence[int],
        max_loaded: int,
    ) -> None:
        self._model = model
        self._read_lora = read_lora
        self._probe = torch.tensor([list(probe_ids)], device=model.device)
        self._max_loaded = max_loaded
        self._peft: PeftModel | None = None
        #: adapter names by lora, the least recently used first
        self._adapters: OrderedDict[str, str] = OrderedDict()
        self._made = 0
        self._active: str | None = None

    def activate(self, lora: str | None) -> None:
        """
        The model speaks as this lora from now on; None is the base model.

        Raises EngineError `invalid_model`, `internal` when the lora has no effect.
        """
        if lora is not None and lora not in self._adapters:
            self._load(lora)
        if lora is not None:
            self._adapters.move_to_end(lora)
        if lora != self._active:
            self._switch(lora)

    def unload(self, lora: str) -> None:
        """Frees a lora's memory; nothing happens where it is not loaded."""
        adapter = self._adapters.pop(lora, None)
        if adapter is None:
            return
        if self._adapters:
            # PEFT warns where the active one is deleted
            self._switch(next(iter(self._adapters)))
            self._peft_model().delete_adapter(adapter)
        else:
            # PEFT keeps no model without an adapter in a usable state
            self._peft_model().unload()
            self._peft, self._active = None, None

    def _peft_model(self) -> PeftModel:
        if self._peft is None:
            raise RuntimeError("no lora has been loaded")
        return self._peft

    def _switch(self, lora: str | None) -> None:
        peft = self._peft_model()
        if lora is None:
            peft.base_model.disable_adapter_layers()
        else:
            peft.base_model.enable_adapter_layers()
            peft.set_adapter(self._adapters[lora])
        self._active = lora

    def _load(self, lora: str) -> None:
        stored = self._read_lora(lora)
        while len(self._adapters) >= self._max_loaded:
            self.unload(next(iter(self._adapters)))
        if self._active is not None:
            self._switch(None)
        before, again = self._probe_logits(), self._probe_logits()
        self._add(stored)
        try:
            self._switch(lora)
            self._prove(stored, before, again)
        except EngineError:
            self.unload(lora)
            raise

    def _add(self, stored: StoredLora) -> None:
        self._made += 1
        # ids may have points, which torch's module names may not
        adapter = f"lora_{self._made}"
        config = lora_config(stored.layout.rank, stored.layout.alpha)
        if self._peft is None:
            self._peft = get_peft_model(self._model, config, adapter_name=adapter)
        else:
            self._peft.add_adapter(adapter, config)
        keep_input_dtype(self._model)
        self._adapters[stored.id] = adapter
        with torch.no_grad():
            for entry in stored.layout.entries:
                values = stored.theta[entry.offset : entry.offset + entry.length]
                parameter = matrix_of(self._model, entry.module, entry.matrix, adapter)
                parameter.copy_(torch.from_numpy(values).view(entry.shape))

    def _probe_logits(self) -> torch.Tensor:
        with torch.inference_mode(), autocast_of(self._model):
            return self._model(input_ids=self._probe, use_cache=False).logits.flatten().float()

    def _prove(self, stored: StoredLora, before: torch.Tensor, again: torch.Tensor) -> None:
        after = self._probe_logits()
        if not bool(torch.isfinite(after).all()):
            raise EngineError(
                "invalid_model", f"{stored.id} makes the model say numbers that are none"
            )
        if stored.changes and changes_nothing(before.cpu(), again.cpu(), after.cpu()):
            raise EngineError("internal", f"{stored.id} is loaded but changes nothing")
