"""Fine-tuning of models by sentence-transformers' trainer."""

from senseweave.training.finetuning.finetune import finetune as finetune
from senseweave.training.finetuning.finetuned import Finetuned as Finetuned

__all__ = ["Finetuned", "finetune"]
