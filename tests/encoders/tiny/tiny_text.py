"""Tiny text models with random weights and real tokenizers, and the computations that their authors document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from contract_case import Case

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


def wordpiece_tokenizer(folder: Path) -> Any:
    """BERT's kind: lower case, WordPiece, [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=220, special_tokens=special))
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
    """SentencePiece's kind, as ALBERT and T5 have it: Unigram with ▁ for spaces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>", "[CLS]", "[SEP]"]
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(SENTENCES, trainer)
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


def token_states(folder: Path, texts: Sequence[str], **options: Any) -> list[list[Any]]:
    """States of every layer for each text by itself, with transformers alone: no batch, no padding."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer, T5EncoderModel

    tokenizer = AutoTokenizer.from_pretrained(folder)
    cls = T5EncoderModel if AutoConfig.from_pretrained(folder).model_type == "t5" else AutoModel
    model = cls.from_pretrained(folder).eval()
    states = []
    for text in texts:
        features = tokenizer(text, return_tensors="pt", truncation=True, **options)
        with torch.inference_mode():
            output = model(**features, output_hidden_states=True)
        states.append([layer[0] for layer in output.hidden_states[:-1]] + [output.last_hidden_state[0]])
    return states


def pooled(how: str, layers: Sequence[int] = (-1,)) -> Callable[[Path, Sequence[str], str], np.ndarray]:
    """Pooling over each text's tokens alone (Reimers and Gurevych 2019, section 3; Devlin et al. 2018, table 7)."""

    def reference(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
        import torch

        rows = []
        for states in token_states(folder, items):
            tokens = torch.stack([states[layer] for layer in layers]).mean(dim=0)
            ways = {"cls": tokens[0], "last": tokens[-1], "mean": tokens.mean(dim=0), "max": tokens.max(dim=0).values}
            rows.append(ways[how].numpy())
        return np.stack(rows)

    return reference


def causal_tokenizer(folder: Path) -> Any:
    """GPT-2's kind: byte-level BPE without special tokens around a text."""
    return bpe_tokenizer(folder, causal=True)


def contextual(
    name: str,
    kind: str,
    tokenizer: Callable[[Path], Any] = wordpiece_tokenizer,
    *,
    pooling: str = "mean",
    layers: Sequence[int] = (-1,),
    poison: str = "word_embeddings.weight",
    missing: str = "layer.1.attention.self.query.weight",
    scheme: str = "",
    **config: Any,
) -> Case:
    return Case(
        id=name,
        modality="text",
        make=lambda folder: scheme + str(save_model(folder, kind, tokenizer, **config)),
        items=texts,
        options={"pooling": pooling, "layers": tuple(layers)},
        reference=pooled(pooling, layers),
        long_item=long_text,
        poison=poison,
        missing=missing,
    )


def save_sentence_model(
    folder: Path,
    *,
    pooling: str = "mean",
    include_prompt: bool = True,
    dense: int | None = None,
    prompts: Mapping[str, str] | None = None,
    name_or_path: str = "",
    kind: str = "Bert",
    tokenizer: Callable[[Path], Any] = wordpiece_tokenizer,
    normalize: bool = True,
    **config: Any,
) -> str:
    """Save a tiny sentence-transformers model, as its own `save` writes it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    base = folder.parent / f"{folder.name}-base"
    save_model(base, kind, tokenizer, **config)
    modules: list[Any] = [Transformer(str(base)), Pooling(32, pooling, include_prompt=include_prompt)]
    if dense:
        torch.manual_seed(SEED)
        modules.append(Dense(32, dense, activation_function=torch.nn.Tanh()))
    if normalize:
        modules.append(Normalize())
    SentenceTransformer(modules=modules, prompts=dict(prompts or {}), device="cpu").save(str(folder))
    return str(folder)


def by_sentence_transformers(prompts: Mapping[str, str]) -> Callable[[Path, Sequence[str], str], np.ndarray]:
    """sentence-transformers' own `encode`, one text at a time, with the prompt that the authors state for the role."""

    def reference(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        return np.stack([model.encode([{"text": text}], prompt=prompts.get(role, ""))[0] for text in items])

    return reference


def save_static(folder: Path, *, kind: str) -> str:
    """Save a tiny static model, as model2vec or sentence-transformers writes it."""
    tokenizer = wordpiece_tokenizer(folder)._tokenizer
    vectors = np.random.default_rng(SEED).normal(size=(tokenizer.get_vocab_size(), 16)).astype(np.float32)
    if kind == "model2vec":
        from model2vec import StaticModel

        StaticModel(vectors, tokenizer, max_length=POSITIONS).save_pretrained(folder)
    else:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding

        module = StaticEmbedding(tokenizer, embedding_weights=vectors)
        SentenceTransformer(modules=[module], device="cpu").save(str(folder))
    return str(folder)


def by_model2vec(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """model2vec's own `encode`."""
    from model2vec import StaticModel

    return StaticModel.from_pretrained(str(folder)).encode(list(items), use_multiprocessing=False)


def static_embedding(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """sentence-transformers' StaticEmbedding by itself, whose tokenizer takes strings for text."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(list(items))


def matrix_mean(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """The mean of rows of the embedding matrix, special tokens included."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    matrix = model.get_input_embeddings().weight.detach().numpy()
    return np.stack([matrix[tokenizer(text, truncation=True)["input_ids"]].mean(axis=0) for text in items])


def tokens(name: str, kind: str, tokenizer: Callable[[Path], Any], *, layer: Any = -1, **how: Any) -> Case:
    poison = how.pop("poison", "word_embeddings.weight")
    missing = how.pop("missing", "layer.1.attention.self.query.weight")
    reference = matrix_mean if layer == "matrix" else pooled("mean", (layer,))
    return Case(
        id=name,
        modality="text",
        make=lambda folder: f"tokens:{save_model(folder, kind, tokenizer, **how)}",
        items=texts,
        options={"layer": layer},
        reference=reference,
        long_item=long_text,
        poison=poison,
        missing=missing,
    )


def sentence(
    name: str, *, folder_name: str | None = None, expected: Mapping[str, str] | None = None, **how: Any
) -> Case:
    """A sentence-transformers case.

    Args:
        name: Name of the case.
        folder_name: The folder is called so, for models whose prompts are found by name.
        expected: Prompts by role that must be in effect.
        **how: Passed to `save_sentence_model`.
    """
    prompts = dict(expected or {})
    poison = how.pop("poison", "word_embeddings.weight")
    missing = how.pop("missing", "layer.1.attention.self.query.weight")
    missing_as = how.pop("missing_as", None)

    def make(folder: Path) -> str:
        return save_sentence_model(folder / folder_name if folder_name else folder, **how)

    def reference(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
        return by_sentence_transformers(prompts)(folder / folder_name if folder_name else folder, items, role)

    return Case(
        id=name,
        modality="text",
        make=make,
        items=texts,
        reference=reference,
        prompts=prompts,
        long_item=long_text,
        poison=poison,
        missing=missing,
        missing_as=missing_as,
    )


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
WEB_SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
BGE_QUERY = "Represent this sentence for searching relevant passages: "

TEXT_FAMILIES: list[Case] = [
    contextual("contextual-bert-mean", "Bert"),
    contextual("contextual-bert-cls", "Bert", pooling="cls"),
    contextual("contextual-bert-max", "Bert", pooling="max"),
    contextual("contextual-bert-last-four", "Bert", layers=(-1, -2, -3, -4)),
    contextual("contextual-roberta-mean", "Roberta", bpe_tokenizer, max_position_embeddings=POSITIONS + 2),
    contextual("contextual-roberta-last", "Roberta", bpe_tokenizer, pooling="last", max_position_embeddings=66),
    contextual("contextual-xlm-roberta", "XLMRoberta", unigram_tokenizer, max_position_embeddings=66),
    contextual(
        "contextual-distilbert",
        "DistilBert",
        dim=32,
        n_layers=3,
        n_heads=4,
        hidden_dim=48,
        missing="layer.1.attention.q_lin.weight",
    ),
    contextual(
        "contextual-albert",
        "Albert",
        unigram_tokenizer,
        embedding_size=16,
        missing="albert_layers.0.attention.query.weight",
    ),
    contextual("contextual-modernbert", "ModernBert", **MODERN),
    contextual("contextual-modernbert-last-four", "ModernBert", layers=(-1, -2, -3, -4), **MODERN),
    contextual("contextual-t5-encoder", "T5", unigram_tokenizer, **T5),
    contextual("contextual-gpt2-last", "GPT2", causal_tokenizer, pooling="last", scheme="contextual:", **GPT2),
    tokens("tokens-bert-layer-2", "Bert", wordpiece_tokenizer, layer=2),
    tokens("tokens-bert-matrix", "Bert", wordpiece_tokenizer, layer="matrix"),
    tokens("tokens-gpt2", "GPT2", causal_tokenizer, **GPT2),
    tokens("tokens-llama", "Llama", bpe_tokenizer, **LLAMA),
    tokens("tokens-mistral-layer-1", "Mistral", bpe_tokenizer, layer=1, **LLAMA),
    tokens("tokens-t5", "T5", unigram_tokenizer, **T5),
    sentence("sentence-sbert"),
    sentence("sentence-dense-cls", pooling="cls", dense=24),
    sentence(
        "sentence-saved-prompts",
        prompts={"query": "query: ", "document": "passage: "},
        expected={"query": "query: ", "document": "passage: "},
    ),
    sentence("sentence-max-mean", pooling=("max", "mean"), normalize=False),
    sentence(
        "sentence-e5-by-name",
        folder_name="multilingual-e5-small",
        kind="XLMRoberta",
        tokenizer=unigram_tokenizer,
        max_position_embeddings=66,
        expected={"query": "query: ", "document": "passage: "},
    ),
    sentence(
        "sentence-embeddinggemma",
        kind="Gemma3Text",
        tokenizer=bpe_tokenizer,
        dense=24,
        head_dim=8,
        use_bidirectional_attention=True,
        sliding_window=16,
        prompts={"query": "task: search result | query: ", "document": "title: none | text: ", "STS": "task: x: "},
        expected={"query": "task: search result | query: ", "document": "title: none | text: "},
        **LLAMA,
    ),
    sentence(
        "sentence-nomic-by-name",
        folder_name="nomic-embed-text-v1.5",
        kind="NomicBert",
        missing="layers.1.attn.out_proj.weight",
        missing_as="layers.1.self_attn.o_proj.weight",
        expected={"query": "search_query: ", "document": "search_document: "},
    ),
    sentence("sentence-modernbert", kind="ModernBert", **MODERN),
    sentence(
        "sentence-qwen3",
        kind="Qwen3",
        tokenizer=bpe_tokenizer,
        pooling="lasttoken",
        head_dim=8,
        left=True,
        prompts={"query": WEB_SEARCH, "document": ""},
        expected={"query": WEB_SEARCH},
        **LLAMA,
    ),
    sentence(
        "sentence-instructor",
        folder_name="instructor-base",
        include_prompt=False,
        kind="T5",
        tokenizer=unigram_tokenizer,
        expected={
            "query": "Represent the question for retrieving supporting documents: ",
            "document": "Represent the document for retrieval: ",
        },
        **T5,
    ),
    Case(
        id="static-model2vec",
        modality="text",
        make=lambda folder: save_static(folder, kind="model2vec"),
        items=texts,
        reference=by_model2vec,
        long_item=long_text,
        poison="embeddings",
        missing="embeddings",
    ),
    Case(
        id="static-embedding",
        modality="text",
        make=lambda folder: save_static(folder, kind="sentence-transformers"),
        items=texts,
        reference=static_embedding,
        poison="embedding.weight",
        missing="embedding.weight",
    ),
    sentence("sentence-bge-by-name", folder_name="bge-small-en-v1.5", pooling="cls", expected={"query": BGE_QUERY}),
]
