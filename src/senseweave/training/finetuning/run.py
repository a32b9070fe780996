"""One run of sentence-transformers' trainer that stops early, and goes on where it was killed."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from senseweave.encoders.runtime.checkpoint import quiet_loading
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.progress import Counter
from senseweave.training.finetuning.dataset import Collator

log = logging.getLogger(__name__)

STATE: Final = "trainer_state.json"
"""What the trainer writes last of a checkpoint: without it the checkpoint was cut by a kill."""
KEY: Final = "run.json"
METRIC: Final = "heldout"
EVALUATIONS: Final = 4
"""Of an epoch, each with a checkpoint, but no more often than every `FEWEST_STEPS` steps."""
FEWEST_STEPS: Final = 10
LOGGED: Final = 4
"""Losses that are logged from one checkpoint to the next."""


@dataclass(frozen=True)
class Settings:
    """How a run trains.

    Attributes:
        epochs: Passes over the rows.
        batch_size: Rows of a step; losses with negatives in the batch learn from `batch_size - 1` of them per row.
        learning_rate: Of AdamW, after a warm-up over `warmup` of all steps, falling to 0 in a straight line.
        warmup: Share of steps.
        weight_decay: Of AdamW.
        precision: `fp32`, `bf16` or `fp16`: the type that activations are computed in.
        patience: How many evaluations may bring nothing better before the run stops; 0 for never.
        seed: Of the order of rows, dropout and augmentation.
    """

    epochs: float
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    precision: str
    patience: int
    seed: int


@dataclass
class Run:
    """What a run did.

    Attributes:
        steps: Steps that were made, those before an interruption included.
        best_step: The step whose weights were kept.
        losses: Mean training loss, by step.
        scores: Score on the rows set aside for stopping, by step, at 0 that of the base; empty without them.
        resumed: The step from which an interrupted run went on; None for a run from its start.
    """

    steps: int = 0
    best_step: int = 0
    losses: dict[int, float] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)
    resumed: int | None = None


def run_key(parts: Mapping[str, Any]) -> str:
    """Return a hash of all that decides the result of a run."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def train(
    modules: Any,
    dataset: Any,
    loss: Any,
    collator: Collator,
    settings: Settings,
    *,
    folder: Path,
    key: str,
    distinct: bool = False,
    score: Callable[[], float] | None = None,
    progress: Counter | None = None,
) -> Run:
    """Train a model in place.

    Args:
        modules: The `SentenceTransformer`.
        dataset: The rows, as `make_dataset` makes them.
        loss: The module of the loss, over the model.
        collator: Makes batches.
        settings: How to train.
        folder: Where checkpoints lie. A run of the same `key` that was killed goes on from its last whole one.
        key: Of all that decides the result, see `run_key`.
        distinct: Whether no batch may hold an item twice.
        score: Measures the model on rows that are not trained on; larger is better.
        progress: Counts steps.

    Raises:
        ModelError: If the folder holds checkpoints of another run, or the loss is no longer finite.
    """
    library = require("sentence_transformers", extra="training", feature="fine-tuning")
    resume = _last_checkpoint(folder, key)
    run = Run(resumed=int(resume.name.rpartition("-")[2]) if resume is not None else None)
    trainer = _trainer_class(library)(
        model=modules,
        args=_arguments(
            library,
            settings,
            folder,
            len(dataset),
            distinct=distinct,
            scored=score is not None,
            device=modules.device.type,
        ),
        train_dataset=dataset,
        loss=loss,
        data_collator=collator,
        evaluator=_evaluator(score) if score is not None else None,
        callbacks=[_watcher(collator, run, progress)],
    )
    if score is not None and settings.patience:
        transformers = require("transformers", extra="training")
        trainer.add_callback(transformers.EarlyStoppingCallback(settings.patience))
    trainer.remove_callback(require("transformers", extra="training").PrinterCallback)
    if score is not None:
        run.scores[0] = score()
    modules.train()
    with quiet_loading():
        trainer.train(resume_from_checkpoint=str(resume) if resume is not None else None)
    modules.eval()
    run.steps = trainer.state.global_step
    best = trainer.state.best_model_checkpoint
    run.best_step = int(best.rpartition("-")[2]) if best else run.steps
    for entry in trainer.state.log_history:
        if "loss" in entry:
            run.losses[entry["step"]] = entry["loss"]
        if f"eval_{METRIC}" in entry:
            run.scores[entry["step"]] = entry[f"eval_{METRIC}"]
    return run


def _arguments(
    library: Any, settings: Settings, folder: Path, rows: int, *, distinct: bool, scored: bool, device: str
) -> Any:
    arguments = require("sentence_transformers.sentence_transformer.training_args", extra="training")
    per_epoch = max(1, -(-rows // settings.batch_size))
    every = max(min(per_epoch, FEWEST_STEPS), per_epoch // EVALUATIONS)
    every -= every % LOGGED if every > LOGGED else 0  # so that a run that goes on logs the losses that it would have
    torch = require("torch", extra="training")
    return library.SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        bf16=settings.precision == "bf16",
        fp16=settings.precision == "fp16",
        seed=settings.seed,
        data_seed=settings.seed,
        batch_sampler=arguments.BatchSamplers.NO_DUPLICATES if distinct else arguments.BatchSamplers.BATCH_SAMPLER,
        eval_strategy="steps" if scored else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=scored,
        metric_for_best_model=METRIC if scored else None,
        greater_is_better=True if scored else None,
        logging_steps=max(1, every // LOGGED),
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=device == "cpu",
    )


def _last_checkpoint(folder: Path, key: str) -> Path | None:
    """Return the newest whole checkpoint of a run; what a kill cut short is removed."""
    record = folder / KEY
    folder.mkdir(parents=True, exist_ok=True)
    if record.is_file():
        if _recorded_key(record) != key:
            msg = (
                f"{folder} holds checkpoints of a run on other data, of another model or with other settings; "
                "give another folder, or delete this one"
            )
            raise ModelError(msg)
    elif any(folder.glob("checkpoint-*")):
        msg = f"{folder} holds checkpoints that senseweave did not write; give another folder"
        raise ModelError(msg)
    else:
        beside = record.with_suffix(".part")
        beside.write_text(json.dumps({"key": key}))
        beside.replace(record)
    whole = []
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / STATE).read_text())
        except (OSError, ValueError):
            log.warning("%s is not whole, and is left out", checkpoint)
            shutil.rmtree(checkpoint)
        else:
            whole.append(checkpoint)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _recorded_key(record: Path) -> str:
    """Return the key of the run that a folder of checkpoints belongs to.

    Raises:
        ModelError: If the file that says so is damaged.
    """
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["key"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        msg = f"{record} does not say to which run its checkpoints belong ({error!r}); give another folder"
        raise ModelError(msg) from error


def _trainer_class(library: Any) -> Any:
    """Return the trainer without its model card, which samples the data and needs seconds at every checkpoint."""

    class Trainer(library.SentenceTransformerTrainer):  # type: ignore[misc]
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            pass

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            self.model.save_pretrained(output_dir or self.args.output_dir, create_model_card=False)

    return Trainer


def _evaluator(score: Callable[[], float]) -> Any:
    base = require("sentence_transformers.base.evaluation", extra="training").BaseEvaluator

    class Heldout(base):  # type: ignore[misc, valid-type]
        primary_metric = METRIC

        def __call__(self, model: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
            return {METRIC: score()}

    return Heldout()


def _watcher(collator: Collator, run: Run, progress: Counter | None) -> Any:
    """Return a callback that tells the collator the epoch, counts steps and stops at a loss that is not finite."""
    transformers = require("transformers", extra="training")

    class Watcher(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            collator.epoch = int(state.epoch or 0)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if progress is not None:
                progress(state.global_step, state.max_steps)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is not None and not math.isfinite(loss):
                msg = (
                    f"the loss is {loss} at step {state.global_step}; train with a smaller learning_rate, or with "
                    "precision='fp32'"
                )
                raise ModelError(msg)

    return Watcher()
