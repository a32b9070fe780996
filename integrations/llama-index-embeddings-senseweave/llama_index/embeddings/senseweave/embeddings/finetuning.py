"""The finetune engine: `senseweave.finetune` in the shape of LlamaIndex's engines for embedding models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from llama_index.embeddings.senseweave.embeddings.model import SenseweaveEmbedding

import senseweave as sw


class SenseweaveFinetuneEngine:
    """Tunes an embedding model on questions and the texts that answer them, and says whether it became better.

    It has the methods of `BaseEmbeddingFinetuneEngine` of `llama-index-finetuning`, which need not be installed.

    Examples:
        ```python
        from llama_index.embeddings.senseweave import SenseweaveFinetuneEngine

        engine = SenseweaveFinetuneEngine(dataset, model_id="starter", model_output_path="tuned")
        engine.finetune()
        print(engine.report)
        embed_model = engine.get_finetuned_model()
        ```
    """

    def __init__(
        self,
        dataset: Any,
        model_id: str = "starter",
        model_output_path: str | Path = "exp_finetune",
        *,
        val_dataset: Any = None,
        loss: str = "mnrl",
        use_all_docs: bool = False,
        show_progress_bar: bool = True,
        **options: Any,
    ) -> None:
        """Describe the run; nothing is loaded yet.

        Args:
            dataset: An `EmbeddingQAFinetuneDataset` (what has `queries`, `corpus` and `relevant_docs`), or what
                `senseweave.finetune` takes: pairs, triplets, or what `loss` needs, or the path of a table of these.
            model_id: A hub id or folder of sentence-transformers, or `starter`.
            model_output_path: A folder that does not exist or is empty.
            val_dataset: What measures in place of rows held back, in the same forms; of rows, pairs.
            loss: Name of a loss of `senseweave.finetune`.
            use_all_docs: Whether each question is trained with all its texts, or with the first alone.
            show_progress_bar: Whether to show the steps of the run.
            **options: Further options of `senseweave.finetune`, such as `epochs`, `batch_size`, `adapter` or `seed`.
        """
        self.model_id = model_id
        self.model_output_path = Path(model_output_path)
        self.loss = loss
        self.report: Any = None
        is_path = isinstance(dataset, (str, os.PathLike))
        self._data = dataset if is_path else list(_rows(dataset, use_all_docs=use_all_docs))
        self._validation = None if val_dataset is None else list(_rows(val_dataset, use_all_docs=True))
        self._show_progress_bar = show_progress_bar
        self._options = options

    def finetune(self, **train_kwargs: Any) -> None:
        """Train, and save the model; `report` then says what it is worth.

        Args:
            **train_kwargs: Options of `senseweave.finetune`, over those given before.

        Raises:
            FileExistsError: If `model_output_path` holds something.
            ValueError: If rows lack what the loss needs, or there are too few to hold some back.
            ModelError: If the model cannot be trained.

        Warns:
            TrainingWarning: If held-out rows do not say that the model is better than its base.
        """
        target = self.model_output_path
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            msg = f"{target} exists and is not an empty folder; give another model_output_path"
            raise FileExistsError(msg)
        given = {"evaluation": self._validation, "progress": self._show_progress_bar, "loss": self.loss}
        tuned = sw.finetune(self.model_id, self._data, **{**given, **self._options, **train_kwargs})
        self.report = tuned.report
        tuned.save(target)

    def get_finetuned_model(self, **model_kwargs: Any) -> SenseweaveEmbedding:
        """Return the tuned model, also one that an earlier run saved.

        Args:
            **model_kwargs: Options of `SenseweaveEmbedding`.

        Raises:
            ValueError: If there is none yet.
        """
        if not (self.model_output_path / "modules.json").is_file():
            msg = f"there is no model in {self.model_output_path}; call finetune() first"
            raise ValueError(msg)
        return SenseweaveEmbedding(str(self.model_output_path.resolve()), **model_kwargs)


def _rows(dataset: Any, *, use_all_docs: bool) -> Iterator[Any]:
    """Yield rows of a dataset of questions and texts by their ids, or the rows that were given.

    Raises:
        TypeError: If it is neither.
        ValueError: If the dataset names a text that it does not hold, or no text for a question.
    """
    parts: list[Any] = [getattr(dataset, name, None) for name in ("queries", "corpus", "relevant_docs")]
    if None in parts:
        if not isinstance(dataset, Iterable):
            msg = (
                "dataset must have queries, corpus and relevant_docs, as an EmbeddingQAFinetuneDataset has, or be rows "
                f"such as (question, text), not {type(dataset).__name__}"
            )
            raise TypeError(msg)
        yield from dataset
        return
    queries, corpus, relevant = parts
    for identifier, question in queries.items():
        answers = relevant.get(identifier) or []
        missing = next((answer for answer in answers if answer not in corpus), None)
        if missing is not None or not answers:
            lacks = f"the text {missing!r}, which is not in its corpus," if answers else "no text"
            msg = f"the dataset names {lacks} as an answer to question {identifier!r}"
            raise ValueError(msg)
        for answer in answers if use_all_docs else answers[:1]:
            yield question, corpus[answer]
