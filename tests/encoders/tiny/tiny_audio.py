"""Tiny models of the audio families, and the computations that their authors document."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pictures import livelier, one_by_one
from sounds import forms, longer_than, sounds
from tiny_clap import TRANSFORMER, clap_maker, clap_sounds, text_case
from tiny_text import SEED

from senseweave.testing import Case

CONVOLUTIONS = {
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (5, 8, 8),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
WINDOW = 10.0
"""Seconds of the models that have a fixed window: CLAP's and, rounded up, AST's."""


def maker(kind: str, *, normalize: bool = True, **config: Any) -> Callable[[Path], str]:
    """Save a tiny model on waveforms of a kind such as `Wav2Vec2`, without any tokenizer."""

    def make(folder: Path) -> str:
        import torch
        import transformers

        torch.manual_seed(SEED)
        configuration = getattr(transformers, f"{kind}Config")(**{**TRANSFORMER, **CONVOLUTIONS, **config})
        livelier(getattr(transformers, f"{kind}Model")(configuration)).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
        return str(folder)

    return make


def make_whisper(folder: Path) -> str:
    """A whole Whisper, decoder included, whose encoder reads windows of 2 s."""
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    torch.manual_seed(SEED)
    config = WhisperConfig(
        vocab_size=50,
        d_model=16,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        max_source_positions=100,
        max_target_positions=16,
        num_mel_bins=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    livelier(WhisperForConditionalGeneration(config), 0.2).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=16, chunk_length=2).save_pretrained(folder)
    return str(folder)


def make_moonshine(folder: Path) -> str:
    """A whole Moonshine, decoder included; its encoder reads samples, and no padding."""
    import torch
    from transformers import MoonshineConfig, MoonshineForConditionalGeneration, Wav2Vec2FeatureExtractor

    torch.manual_seed(SEED)
    config = MoonshineConfig(
        vocab_size=50, hidden_size=16, intermediate_size=24, encoder_num_hidden_layers=2, decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2, decoder_num_attention_heads=2, pad_token_id=0,
    )  # fmt: skip
    livelier(MoonshineForConditionalGeneration(config), 0.3).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    return str(folder)


def make_wav2vec2_bert(folder: Path) -> str:
    """A conformer over mel filter banks, two frames stacked into one."""
    import torch
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

    torch.manual_seed(SEED)
    config = Wav2Vec2BertConfig(**TRANSFORMER, feature_projection_input_dim=32, conv_depthwise_kernel_size=5)
    livelier(Wav2Vec2BertModel(config)).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(feature_size=16, num_mel_bins=16, padding_value=0.0, stride=2).save_pretrained(folder)
    return str(folder)


def make_ast(folder: Path) -> str:
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(SEED)
    config = ASTConfig(
        **TRANSFORMER, num_mel_bins=32, max_length=200, patch_size=16, frequency_stride=16, time_stride=16, num_labels=3
    )
    livelier(ASTForAudioClassification(config)).save_pretrained(folder)
    ASTFeatureExtractor(num_mel_bins=32, max_length=200).save_pretrained(folder)
    return str(folder)


def make_audio_mae(folder: Path) -> str:
    """A timm vision transformer over 208 frames of 32 mel bands, as AudioMAE's over 1024 of 128."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(SEED)
    arguments = {"in_chans": 1, "img_size": [208, 32], "num_classes": 0, "global_pool": "avg"}
    model = livelier(timm.create_model("test_vit", **arguments))
    save_file(model.state_dict(), folder / "model.safetensors")
    pretrained = {"input_size": [1, 208, 32], "mean": [0.5], "std": [0.5], "num_classes": 0, "fixed_input_size": True}
    config = {"architecture": "test_vit", "num_classes": 0, "model_args": arguments, "pretrained_cfg": pretrained}
    (folder / "config.json").write_text(json.dumps(config))
    return f"audiomae:{folder}"


def waveform_reference(folder: Path, items: Sequence[Any], role: str, layers: Sequence[int] = (-1,)) -> np.ndarray:
    """Mean over the frames of one clip without padding (Yang et al. 2021, SUPERB, arXiv 2105.01051, section 3.2)."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModel

    extractor, model = AutoFeatureExtractor.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def compute(sound: Any) -> Any:
        inputs = extractor(sound.samples, sampling_rate=sound.sampling_rate, return_tensors="pt").input_values
        output = model(inputs, output_hidden_states=True)
        states = [*output.hidden_states[:-1], output.last_hidden_state]
        return torch.stack([states[layer] for layer in layers]).mean(dim=0).mean(dim=1)

    return one_by_one(compute, items)


def moonshine_reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The encoder over samples as they are; mean over its frames (documentation of Moonshine in transformers)."""
    from transformers import AutoFeatureExtractor, MoonshineForConditionalGeneration

    extractor = AutoFeatureExtractor.from_pretrained(folder)
    encoder = MoonshineForConditionalGeneration.from_pretrained(folder).model.encoder.eval()

    def compute(sound: Any) -> Any:
        inputs = extractor(sound.samples, sampling_rate=sound.sampling_rate, return_tensors="pt").input_values
        return encoder(inputs).last_hidden_state.mean(dim=1)

    return one_by_one(compute, items)


def spectral_reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """Mean over the frames that the extractor's mask marks (documentation of Wav2Vec2-BERT in transformers)."""
    from transformers import AutoFeatureExtractor, Wav2Vec2BertModel

    extractor, model = AutoFeatureExtractor.from_pretrained(folder), Wav2Vec2BertModel.from_pretrained(folder).eval()

    def compute(sound: Any) -> Any:
        inputs = extractor(sound.samples, sampling_rate=sound.sampling_rate, return_tensors="pt")
        return model(**inputs).last_hidden_state[inputs.attention_mask.bool()].mean(dim=0)

    return one_by_one(compute, items)


def whisper_reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The encoder over a padded window; mean over the frames that the attention mask of the extractor marks, halved."""
    from transformers import AutoFeatureExtractor, WhisperModel

    extractor, encoder = (
        AutoFeatureExtractor.from_pretrained(folder),
        WhisperModel.from_pretrained(folder).encoder.eval(),
    )

    def compute(sound: Any) -> Any:
        inputs = extractor(
            sound.samples, sampling_rate=sound.sampling_rate, return_attention_mask=True, return_tensors="pt"
        )
        frames = (int(inputs.attention_mask.sum()) - 1) // 2 + 1
        return encoder(inputs.input_features).last_hidden_state[:, :frames].mean(dim=1)

    return one_by_one(compute, items)


def ast_reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """Mean of the normalised class and distillation tokens (YuanGongND/ast, src/models/ast_models.py)."""
    from transformers import ASTModel, AutoFeatureExtractor

    extractor, model = AutoFeatureExtractor.from_pretrained(folder), ASTModel.from_pretrained(folder).eval()

    def compute(sound: Any) -> Any:
        inputs = extractor(sound.samples, sampling_rate=sound.sampling_rate, return_tensors="pt")
        states = model(**inputs).last_hidden_state
        return (states[:, 0] + states[:, 1]) / 2

    return one_by_one(compute, items)


def audio_mae_reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """Kaldi filter banks, padded and standardised (card of gaunernst/vit_base_patch16_1024_128.audiomae_as2m)."""
    import timm
    import torch
    from torchaudio.compliance.kaldi import fbank

    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()

    def compute(sound: Any) -> Any:
        samples = torch.from_numpy(sound.samples).unsqueeze(0)
        banks = fbank(samples, htk_compat=True, window_type="hanning", num_mel_bins=32)
        banks = torch.nn.functional.pad(banks, (0, 0, 0, 208 - len(banks)))
        return model(((banks - -4.2677393) / (4.5689974 * 2)).view(1, 1, 208, 32))

    return one_by_one(compute, items)


def case(name: str, make: Any, reference: Any, weight: str, window: float, **more: Any) -> Case:
    return Case(
        name,
        "audio",
        make,
        sounds,
        reference,
        forms=forms,
        poison=weight,
        missing=weight,
        long_item=longer_than(window),
        splits_long=True,
        **more,
    )


def waveform(name: str, kind: str, weight: str, **config: Any) -> Case:
    """Windows of 2.5 s, so that the long sound stays short."""
    return case(name, maker(kind, **config), waveform_reference, weight, 2.5, options={"window_seconds": 2.5})


def make_xvector(kind: str) -> Callable[[Path], str]:
    """Save a tiny model with an x-vector head."""

    def make(folder: Path) -> str:
        import torch
        import transformers

        torch.manual_seed(SEED)
        head = {
            "tdnn_dim": (16, 16, 24),
            "tdnn_kernel": (5, 3, 1),
            "tdnn_dilation": (1, 2, 1),
            "xvector_output_dim": 12,
        }
        sizes = {"num_buckets": 16, "max_bucket_distance": 40} if kind == "WavLM" else {}
        config = getattr(transformers, f"{kind}Config")(**{**TRANSFORMER, **CONVOLUTIONS, **head, **sizes})
        config.use_weighted_layer_sum = True
        livelier(getattr(transformers, f"{kind}ForXVector")(config)).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
        return str(folder)

    return make


def xvector_reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The `embeddings` of one recording at a time (documentation of WavLMForXVector in transformers)."""
    from transformers import AutoFeatureExtractor, AutoModelForAudioXVector

    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModelForAudioXVector.from_pretrained(folder).eval()

    def compute(sound: Any) -> Any:
        inputs = extractor(sound.samples, sampling_rate=sound.sampling_rate, return_tensors="pt").input_values
        return model(inputs).embeddings

    return one_by_one(compute, items)


def xvector(name: str, kind: str) -> Case:
    options = {"window_seconds": 2.5}
    return case(name, make_xvector(kind), xvector_reference, "feature_extractor.weight", 2.5, options=options)


def middle_layers() -> Case:
    """The mean of two layers, by option."""
    options = {"window_seconds": 2.5, "layers": (1, 2)}
    return case(
        "wavlm-layers",
        maker("WavLM", num_buckets=16, max_bucket_distance=40),
        lambda folder, items, role: waveform_reference(folder, items, role, layers=(1, 2)),
        "feature_projection.projection.weight",
        2.5,
        options=options,
    )


PROJECTION = "feature_projection.projection.weight"
MOONSHINE = {"window_seconds": 2.5}
AUDIO_FAMILIES: list[Case] = [
    waveform("wav2vec2-group-norm", "Wav2Vec2", PROJECTION),
    waveform("wav2vec2-layer-norm", "Wav2Vec2", PROJECTION, feat_extract_norm="layer", do_stable_layer_norm=True),
    waveform("wav2vec2-conformer", "Wav2Vec2Conformer", PROJECTION),
    waveform("hubert", "Hubert", PROJECTION, normalize=False),
    waveform("wavlm", "WavLM", PROJECTION, num_buckets=16, max_bucket_distance=40),
    middle_layers(),
    waveform("unispeech", "UniSpeech", PROJECTION),
    waveform("unispeech-sat", "UniSpeechSat", PROJECTION),
    waveform("data2vec-audio", "Data2VecAudio", PROJECTION),
    waveform("sew", "SEW", "layer_norm.weight", squeeze_factor=2),
    waveform("sew-d", "SEWD", "layer_norm.weight", squeeze_factor=2, max_position_embeddings=64, position_buckets=16),
    case("moonshine", make_moonshine, moonshine_reference, "encoder.layer_norm.weight", 2.5, options=MOONSHINE),
    case("wav2vec2-bert", make_wav2vec2_bert, spectral_reference, PROJECTION, 2.5, options={"window_seconds": 2.5}),
    xvector("xvector-wavlm", "WavLM"),
    xvector("xvector-wav2vec2", "Wav2Vec2"),
    xvector("xvector-unispeech-sat", "UniSpeechSat"),
    case("whisper", make_whisper, whisper_reference, "encoder.layer_norm.weight", 2.0),
    case("ast", make_ast, ast_reference, "layernorm.weight", 2.0),
    case("audiomae", make_audio_mae, audio_mae_reference, "patch_embed.proj.weight", 2.08),
    case("clap-unfused-audio", clap_maker(fused=False), clap_sounds, "audio_projection.linear1.weight", WINDOW),
    text_case("clap-unfused-text", clap_maker(fused=False)),
    case("clap-fused-audio", clap_maker(fused=True), clap_sounds, "audio_projection.linear1.weight", WINDOW),
]
