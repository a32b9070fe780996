"""`senseweave.finetune`: train a model on your own data, and say whether it helped."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from senseweave.arguments import check_choice
from senseweave.encoders.base import ROLES
from senseweave.encoders.parts.heads import unit
from senseweave.encoders.runtime.devices import one_device
from senseweave.encoders.runtime.torch_runtime import pick_device
from senseweave.errors import MediaError, ModelError
from senseweave.extras import require
from senseweave.media import Media
from senseweave.progress import ProgressOption, tracked
from senseweave.spaces import Space, load
from senseweave.training.curves import TrainingCurve
from senseweave.training.data.augmentation import Augment
from senseweave.training.data.splits import check_split
from senseweave.training.finetuning import comparison, tasks
from senseweave.training.finetuning.checks import check_changes, check_loss_options, check_numbers
from senseweave.training.finetuning.comparison import Embed, Retrieval
from senseweave.training.finetuning.dataset import Collator, ItemTable, column_role, make_dataset
from senseweave.training.finetuning.finetuned import Finetuned, write_report
from senseweave.training.finetuning.frozen import FrozenModel
from senseweave.training.finetuning.leaks import describe_leaks, leave_out_leaks
from senseweave.training.finetuning.losses import LABEL, LOSSES, LossOptions, build_loss
from senseweave.training.finetuning.negatives import add_hard_negatives
from senseweave.training.finetuning.precision import Precision, check_precision
from senseweave.training.finetuning.report import Report
from senseweave.training.finetuning.rows import FEWEST_FOR_STOPPING, make_rows, split_rows
from senseweave.training.finetuning.run import Settings, run_key, train
from senseweave.training.finetuning.teachers import Teacher
from senseweave.training.finetuning.trainable import TrainableModel, check_same_vectors, open_trainable

Adapter = Literal["lora", "head"]
LEARNING_RATES: Final[Mapping[str | None, float]] = {None: 2e-5, "lora": 2e-4, "head": 1e-3}
"""Of all weights, as in sentence-transformers' examples; of low-rank matrices, ten times as much (arXiv 2106.09685,
appendix D); of a head, the default of Adam (arXiv 1412.6980)."""


def finetune(
    model: str | os.PathLike[str],
    data: Iterable[Any] | str | os.PathLike[str],
    *,
    loss: str = "mnrl",
    adapter: Adapter | None = None,
    columns: Mapping[str, str] | None = None,
    evaluation: Iterable[Any] | None = None,
    general: Iterable[Any] | None = None,
    teacher: str | Space | None = None,
    guide: str | None = None,
    hard_negatives: int = 0,
    matryoshka: Sequence[int] = (),
    augment: Mapping[str, Augment] | None = None,
    epochs: float = 1,
    batch_size: int = 32,
    batch_items: int | None = None,
    learning_rate: float | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.0,
    precision: Precision = "fp32",
    patience: int = 4,
    validation: float = 0.2,
    seed: int = 0,
    device: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: ProgressOption = None,
) -> Finetuned:
    """Train a model on pairs, triplets, scored pairs or texts, and compare it with its base on rows held back.

    Rows are split by what they share: a query or a document is never on both sides. The weights that score best on a
    tenth of the training rows are kept; whether they are better than the base is measured on rows that decided nothing.

        tuned = sw.finetune("sentence-transformers/all-MiniLM-L6-v2", [("question", "answer"), ...])
        print(tuned.report)
        tuned.save("my-model")
        space = sw.load("my-model")

    Args:
        model: Hub id or local folder of a text or image-text model that sentence-transformers opens, or `starter` for
            the text model of the embedded default; with a head, the name of any space.
        data: Rows: tuples in the order of the loss's columns, or mappings, in which strings are texts, never paths; or
            the path of a CSV, TSV, JSON lines or Parquet file.
        loss: `mnrl` (pairs, or triplets; other rows are the negatives), `triplet`, `contrastive` (pairs with 1 or 0),
            `cosine` (pairs with a similarity), `simcse` (texts alone), `distill` (texts, or texts with translations,
            and a `teacher`), `margin` (triplets and a cross-encoder as `teacher`).
        adapter: `lora` to train low-rank matrices alone, which are added to the weights at the end; `head` to train a
            linear map behind any model of any modality, which itself stays as it is.
        columns: Where the data name their columns otherwise: the data's names by the loss's.
        evaluation: Pairs of a query and its answer that measure in place of held-out rows. Held-out rows that
            nearly equal rows of training are not measured; of these pairs a note counts queries that do.
        general: Pairs that measure what the model forgets; by default ImageNet's names and definitions, for texts.
        teacher: Space whose vectors a student learns, or the name of a cross-encoder for `margin`.
        guide: Name of a sentence-transformers model that says which negatives of a batch are answers (`mnrl`).
        hard_negatives: How many negatives per pair are mined with the base model (`mnrl` and `triplet`).
        matryoshka: Numbers of leading dimensions that must do as well as all of them.
        augment: Changes of items in training, by modality; see `senseweave.training.data.augmentation`.
        epochs: Passes over the rows.
        batch_size: Rows of a step.
        batch_items: Rows that are in memory at once; the gradient is that of the whole batch (GradCache, arXiv
            2101.06983; `mnrl` and `simcse`). None for all of them.
        learning_rate: 2e-5, of LoRA 2e-4 and of a head 1e-3, if None.
        warmup: Share of steps over which the learning rate rises.
        weight_decay: Of AdamW.
        precision: Type of activations in training: `fp32`, `bf16` where the device has instructions for it (also on a
            CPU), or `fp16` on CUDA. Weights stay fp32, and both models are measured in it.
        patience: Evaluations without a better score after which the run stops; 0 for never.
        validation: Share of rows that are held back for the report.
        seed: Of the split, the order, dropout and augmentation: the same seed gives the same model on a CPU.
        device: torch device; the best available if None.
        folder: Where checkpoints are kept. A run that was killed goes on where it was, with the same result, if it is
            called again with equal arguments. None for a temporary folder.
        progress: Whether to show, or what to tell of, the steps; see `senseweave.Progress`.

    Raises:
        ValueError: If rows lack what the loss needs, or there are too few to hold some back that nearly equal none of
            training.
        ModelError: If the model cannot be trained, the device has no such precision, or the run diverges.
        ImportError: If the extra `train` is not installed.
    """
    check_choice("loss", loss, list(LOSSES))
    check_choice("adapter", adapter, [None, "lora", "head"])  # type: ignore[list-item]
    check_choice("precision", precision, ["fp32", "bf16", "fp16"])
    check_numbers(
        epochs=epochs, batch_size=batch_size, batch_items=batch_items, learning_rate=learning_rate, warmup=warmup,
        weight_decay=weight_decay, patience=patience, hard_negatives=hard_negatives, distinct=LOSSES[loss].distinct,
    )  # fmt: skip
    check_split(validation, seed)
    check_changes(matryoshka, augment)
    device = one_device(device, "training computes")
    check_precision(precision, (device or "cpu") if adapter == "head" else pick_device(device))
    name = os.fspath(model)
    if adapter == "head" and augment:
        msg = "augment changes what an encoder reads, and the encoder behind a head is not run again; leave one out"
        raise ValueError(msg)
    check_loss_options(loss, teacher=teacher, guide=guide, hard_negatives=hard_negatives, batch_items=batch_items)
    rows = make_rows(data, loss, columns=columns)
    judged, kept = _pairs("evaluation", evaluation), _pairs("general", general)
    trained, stopping, heldout = split_rows(rows, validation, seed, stop=patience > 0)
    base = load(name)
    with _own_randomness(seed), _working_folder(folder) as (work, keep):
        trainable = _open(name, base, adapter, device, trained)
        labels = Teacher(loss, teacher, trainable) if teacher is not None else None
        before = _Remembered(_embedding(base))
        learned_from = [*trained, *stopping]
        compared = trainable.vectors if isinstance(trainable, FrozenModel) else before
        leaks: list[str] = []
        notes: list[str] = []
        if judged is None:
            heldout, leaks = leave_out_leaks(heldout, learned_from, compared)
            task, measured = _heldout_task(loss, heldout, rows, labels), len(heldout)
        else:
            task, measured, notes = _given_task(judged, learned_from, compared)
        general_task = _general(kept, trainable, seed)
        if hard_negatives:
            trained = _mined(trained, before, hard_negatives)
        learned = _columns(loss, trained) if labels is None else labels.add(trained)
        if isinstance(trainable, TrainableModel) and adapter == "lora":
            trainable.add_lora(seed)
        settings = Settings(
            epochs, batch_size, learning_rate or LEARNING_RATES[adapter], warmup, weight_decay, precision,
            patience, seed,
        )  # fmt: skip
        table = ItemTable()
        dataset = make_dataset(learned, table)
        collator = Collator(trainable.preprocess, table, read=trainable.read, augment=augment, seed=seed)
        options = LossOptions(batch_items, _guide(guide, device), tuple(matryoshka))
        stop_task = _heldout_task(loss, stopping, trained, labels) if stopping else None
        with tracked(progress, "training") as steps:
            run = train(
                trainable.modules,
                dataset,
                build_loss(loss, trainable.modules, options),
                collator,
                settings,
                folder=work / "checkpoints",
                key=_key(name, base, learned, settings, loss, adapter, options, guide),
                distinct=LOSSES[loss].distinct,
                score=None if stop_task is None else lambda: tasks.score(stop_task, trainable.vectors),
                progress=steps.count if steps is not None else None,
            )
        trainable.merge()
        if not np.isfinite(trainable.vectors([heldout[0]["anchor"]], "query")).all():
            msg = "the run diverged: the model's vectors are not finite any more; train with a smaller learning_rate"
            raise ModelError(msg)
        made = work / "model"
        shutil.rmtree(made, ignore_errors=True)
        trainable.save(made)
        after = _Remembered(_embedding(load(made)))
        report = Report(
            loss=loss,
            rows={"trained": len(learned), "for stopping": len(stopping), "held out": measured},
            heldout=tasks.compare(task, before, after, seed),
            forgetting=None
            if general_task is None
            else comparison.measure_forgetting(general_task[0], before, after, general_task[1], seed=seed),
            failures=task.failures(after) if isinstance(task, Retrieval) else [],
            steps=(run.steps, run.best_step),
            precision=precision,
            curve=TrainingCurve(
                run.losses,
                run.scores,
                None if stop_task is None else tasks.measure_name(stop_task),
                run.best_step,
            ),
            leaks=leaks,
            notes=[*notes, *_notes(general_task, stopping, patience)],
        )
        write_report(made, name, report)
    return Finetuned(made, report, run, keep)


def _open(
    name: str, base: Space, adapter: Adapter | None, device: str | None, rows: Sequence[Mapping[str, Any]]
) -> TrainableModel | FrozenModel:
    """Open what is trained: a model's weights, or a head behind it."""
    if adapter == "head":
        frozen = FrozenModel(base, device)
        named = [(column, item) for row in rows for column, item in row.items() if column != LABEL]
        for role in ROLES:
            frozen.embed_once([item for column, item in named if column_role(column) == role], role)
        return frozen
    trainable = open_trainable(name, device=device)
    check_same_vectors(trainable, base, _sample(rows))
    return trainable


def _columns(loss: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the columns that are embedded; a text of `simcse` is its own positive, of which dropout makes another."""
    if loss == "simcse":
        return [{"anchor": row["anchor"], "positive": row["anchor"]} for row in rows]
    return list(rows)


def _sample(rows: Sequence[Mapping[str, Any]]) -> list[Media]:
    """Return the items of the first rows, some of each column."""
    return [item for row in rows[:8] for name, item in row.items() if name != LABEL]


def _pairs(name: str, given: Iterable[Any] | None) -> list[dict[str, Any]] | None:
    """Return the pairs of an argument as rows, None if there are none to read.

    Raises:
        ValueError: If they are no pairs; the message names the argument.
    """
    if given is None:
        return None
    try:
        return make_rows(given, "mnrl")
    except MediaError:
        raise
    except ValueError as error:
        msg = f"{name}: {error}"
        raise ValueError(msg) from error


def _given_task(
    rows: Sequence[dict[str, Any]], learned: Sequence[dict[str, Any]], embed: Embed
) -> tuple[tasks.Task, int, list[str]]:
    """Return the task of pairs that were given, their number, and a note if their queries are trained on.

    Other queries of documents that are trained on are a fair measure. Pairs that were chosen are all measured.
    """
    leaks = describe_leaks(rows, learned, embed, columns=["anchor"])
    notes = []
    if leaks:
        notes.append(
            f"{len(leaks)} of {len(rows)} evaluation queries nearly equal queries of training, so that the measure "
            f"flatters the model: {leaks[min(leaks)]}"
        )
    return tasks.retrieval([(row["anchor"], row["positive"]) for row in rows], []), len(rows), notes


def _heldout_task(
    loss: str, heldout: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]], teacher: Teacher | None
) -> tasks.Task:
    alone = teacher is not None and "positive" not in heldout[0]
    return tasks.heldout_task(loss, heldout, others, teacher.vectors(heldout) if alone and teacher else None)


def _general(
    general: Sequence[dict[str, Any]] | None, trainable: TrainableModel | FrozenModel, seed: int
) -> tuple[Retrieval, str] | None:
    """Return the task that measures forgetting, and what its data are."""
    if general is not None:
        pairs = [(row["anchor"], row["positive"]) for row in general]
        return tasks.retrieval(pairs, []), "the general pairs that were given"
    task = tasks.general_task(seed) if "text" in trainable.modalities else None
    return None if task is None else (task, f"{len(task.queries)} of ImageNet's names and WordNet's definitions")


def _mined(rows: Sequence[dict[str, Any]], embed: Embed, count: int) -> list[dict[str, Any]]:
    plain = [{"anchor": row["anchor"], "positive": row["positive"]} for row in rows]
    corpus = list(dict.fromkeys(row["positive"] for row in plain))
    queries, documents = embed([row["anchor"] for row in plain], "query"), embed(corpus, "document")
    complete = add_hard_negatives(plain, queries, documents, corpus, count=count)
    if len(complete) < 2:
        msg = f"{count} hard negatives per row could be found for {len(complete)} of {len(rows)} rows; ask for fewer"
        raise ValueError(msg)
    return complete


class _Remembered:
    """Embeds each list of media once per role: the base is asked for the same ones several times."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._seen: dict[tuple[int, str], tuple[Sequence[Media], np.ndarray]] = {}

    def __call__(self, media: Sequence[Media], role: Literal["query", "document"]) -> np.ndarray:
        """Return the vectors of a list of media."""
        key = id(media), role
        if key not in self._seen:
            self._seen[key] = media, self._embed(media, role)  # the list is held, so that its id is not given again
        return self._seen[key][1]


def _embedding(space: Space) -> Embed:
    def embed(media: Sequence[Media], role: Literal["query", "document"]) -> np.ndarray:
        return unit(space.embed(list(media), role=role))

    return embed


def _guide(name: str | None, device: str | None) -> Any:
    return None if name is None else open_trainable(name, device=device).modules.eval()


def _key(name: str, base: Space, rows: Sequence[Mapping[str, Any]], settings: Settings, *others: Any) -> str:
    """Return a hash of what decides the result: base, rows and settings."""
    content = [{column: value if column == LABEL else value.sha256 for column, value in row.items()} for row in rows]
    return run_key({"base": base.fingerprint, "rows": content, "settings": vars(settings), "others": repr(others)})


def _notes(general: Any, stopping: Sequence[Any], patience: int) -> list[str]:
    notes = []
    if general is None:
        notes.append("forgetting was not measured: give general= pairs of the base's own kind of data")
    if patience and not stopping:
        notes.append(f"fewer than {FEWEST_FOR_STOPPING} rows: none were set aside to decide when to stop")
    return notes


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Leave the caller's random states as they were; the trainer seeds all of them."""
    import random

    torch = require("torch", extra="training", feature="fine-tuning")
    python, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_state)


@contextmanager
def _working_folder(folder: str | os.PathLike[str] | None) -> Iterator[tuple[Path, Any]]:
    """Yield where to work, and the temporary folder that must live as long as the result, if there is one."""
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(folder), None
        return
    keep = tempfile.TemporaryDirectory(prefix="senseweave-finetune-", ignore_cleanup_errors=True)
    try:
        yield Path(keep.name), keep
    except BaseException:
        keep.cleanup()
        raise
