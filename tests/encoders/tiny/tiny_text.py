"""Tiny text models with random weights and real tokenizers, which every family with a text side is built from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

SENTENCES = [
    "the quick brown fox jumps over the lazy dog",
    "a small dog runs on the green grass",
    "rain falls on the roof of the old house by the sea",
    "she sings a quiet song about mountains, rivers and stars",
    "numbers such as 12, 345 and 6789 appear in the report",
    "query: what is a fox? passage: a fox is a small animal",
    "embeddings turn sentences into vectors, which are compared by their angle",
]
TEXTS = [
    "a dog",
    "the quick brown fox jumps over the lazy dog",
    "rain",
    "she sings a quiet song about mountains, rivers and stars, and nobody on the green grass by the sea listens to it",
    "numbers such as 12 and 345",
]
POSITIONS = 64
"""Positions of every tiny model; the long text has more tokens."""
SEED = 7


def texts(folder: Path) -> list[str]:
    return list(TEXTS)


def long_text(folder: Path) -> str:
    return " ".join(SENTENCES * 6)


def sentence_words() -> list[str]:
    """Return the words and punctuation marks of `SENTENCES`, sorted."""
    return sorted(set(re.findall(r"\w+|[^\w\s]", " ".join(SENTENCES).lower())))


def wordpiece_vocabulary() -> dict[str, int]:
    """Return the words of `SENTENCES` and their characters with their ids, after the special tokens.

    It is written down rather than trained: WordPiece's trainer breaks ties at random, so that each run would test
    other models.
    """
    words = sentence_words()
    characters = sorted(set("".join(words)))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    tokens += [f"##{character}" for character in characters]
    tokens += [word for word in words if len(word) > 1]
    return {token: index for index, token in enumerate(tokens)}


def wordpiece_tokenizer(folder: Path) -> Any:
    """Build BERT's kind of tokenizer: lower case, WordPiece, [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(wordpiece_vocabulary(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=POSITIONS,
    )


def bpe_tokenizer(folder: Path, *, causal: bool = False) -> Any:
    """GPT-2's and RoBERTa's kind: byte-level BPE; RoBERTa's adds <s> and </s>, GPT-2's nothing."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if causal:
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", model_max_length=POSITIONS)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=POSITIONS,
    )


def unigram_tokenizer(folder: Path) -> Any:
    """Build SentencePiece's kind of tokenizer, as ALBERT and T5 have it: Unigram with ▁ for spaces.

    Its vocabulary is written down too, because training makes another at each run.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sentence_words()
    vocabulary = [(token, 0.0) for token in ["<pad>", "</s>", "<unk>", "[CLS]", "[SEP]"]]
    vocabulary += [(character, -6.0) for character in ["▁", *sorted(set("".join(words)))]]
    vocabulary += [(f"▁{word}", -8.0) for word in words]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>", "[CLS]", "[SEP]"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=POSITIONS,
    )


def save_model(
    folder: Path,
    kind: str,
    tokenizer: Callable[[Path], Any] = wordpiece_tokenizer,
    *,
    left: bool = False,
    **config: Any,
) -> Path:
    """Save a tiny transformers model of a kind such as `Bert`, `Roberta` or `GPT2`, with random weights."""
    import torch
    import transformers

    tokens = tokenizer(folder)
    sizes = {
        "vocab_size": len(tokens),
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": tokens.pad_token_id,
        **config,
    }
    torch.manual_seed(SEED)
    configuration = getattr(transformers, f"{kind}Config")(**sizes)
    model = getattr(transformers, f"{kind}{'Encoder' if kind == 'T5' else ''}Model")(configuration).eval()
    tokens.padding_side = "left" if left else "right"
    for parameter in model.parameters():  # the usual initialisation is so small that all texts look alike
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


def causal_tokenizer(folder: Path) -> Any:
    """GPT-2's kind: byte-level BPE without special tokens around a text."""
    return bpe_tokenizer(folder, causal=True)


CAUSAL = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
LLAMA = {
    "poison": "embed_tokens.weight",
    "missing": "layers.1.self_attn.q_proj.weight",
    "num_key_value_heads": 2,
    **CAUSAL,
}
GPT2 = {
    "poison": "wte.weight", "missing": "h.1.attn.c_attn.weight", "n_embd": 32, "n_layer": 3, "n_head": 4,
    "n_positions": POSITIONS, "bos_token_id": 2, "eos_token_id": 2,
}  # fmt: skip
T5 = {
    "poison": "shared.weight", "missing": "block.1.layer.0.SelfAttention.q.weight", "d_model": 32, "d_kv": 8,
    "d_ff": 48, "num_layers": 3, "num_heads": 4,
}  # fmt: skip
MODERN = {
    "poison": "tok_embeddings.weight", "missing": "layers.1.attn.Wqkv.weight", "global_attn_every_n_layers": 2,
    "local_attention": 16, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip
