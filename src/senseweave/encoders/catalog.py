"""The families of models that `load` knows: one entry each, in the order in which they are listed to users."""

from __future__ import annotations

from dataclasses import dataclass

from senseweave.media import Modality


@dataclass(frozen=True)
class Family:
    """A family of models that one module of `senseweave.encoders` loads.

    Attributes:
        scheme: What stands before the colon in `scheme:name`.
        module: Module with `build(name, **options) -> dict[modality, encoder]`.
        modalities: What its models can embed, at most.
        extra: The extra that installs what it needs.
        summary: What it is, in a few words.
        examples: Names that load.
        dimensions: Length of the vectors of each example; None where the name stands for any model.
        licence: What a user should know of the usual licences.
    """

    scheme: str
    module: str
    modalities: tuple[Modality, ...]
    extra: str
    summary: str
    examples: tuple[str, ...]
    dimensions: tuple[int | None, ...]
    licence: str


FAMILIES: tuple[Family, ...] = (
    Family(
        "starter",
        "senseweave.encoders.families.starter",
        ("text", "image", "audio", "video"),
        "starter",
        "embedded default: MiniLM text, image labels, transcribed speech and both for video; 384 dimensions, offline",
        ("starter",),
        (384,),
        "Apache-2.0 and MIT weights from packages",
    ),
    Family(
        "sentence",
        "senseweave.encoders.families.sentence",
        ("text",),
        "text",
        "sentence-transformers text models: SBERT, E5, BGE, GTE, Nomic, Instructor, Jina, EmbeddingGemma, Qwen3",
        ("sentence-transformers/all-MiniLM-L6-v2", "intfloat/multilingual-e5-small", "BAAI/bge-small-en-v1.5"),
        (384, 384, 384),
        "by model; EmbeddingGemma has its own terms, Jina v3 is CC-BY-NC",
    ),
    Family(
        "static",
        "senseweave.encoders.families.static",
        ("text",),
        "static",
        "means of static token vectors (model2vec and StaticEmbedding): hundreds of times faster, less exact",
        ("minishlab/potion-base-8M", "sentence-transformers/static-retrieval-mrl-en-v1"),
        (256, 1024),
        "by model; MIT for potion",
    ),
    Family(
        "contextual",
        "senseweave.encoders.families.contextual",
        ("text",),
        "text",
        "BERT-like encoders with a choice of pooling and layers",
        ("google-bert/bert-base-uncased", "contextual:allenai/scibert_scivocab_uncased"),
        (768, 768),
        "by model",
    ),
    Family(
        "tokens",
        "senseweave.encoders.families.tokens",
        ("text",),
        "text",
        "a vector per token with its place in the text, context-free or of any layer, of encoders and causal models",
        ("tokens:openai-community/gpt2", "tokens:google-t5/t5-small"),
        (768, 512),
        "by model",
    ),
    Family(
        "openai",
        "senseweave.encoders.families.openai",
        ("text",),
        "openai",
        "OpenAI's embedding models and servers that speak the same protocol; the key is read from the environment",
        ("openai:text-embedding-3-small", "openai:text-embedding-3-large", "openai:text-embedding-ada-002"),
        (1536, 3072, 1536),
        "a paid service with its own terms",
    ),
    Family(
        "clip",
        "senseweave.encoders.families.clip",
        ("text", "image"),
        "image",
        "CLIP, MetaCLIP 2, Chinese CLIP, AltCLIP, and CLIP as sentence-transformers saves it",
        (
            "openai/clip-vit-base-patch32",
            "sentence-transformers/clip-ViT-B-32",
            "OFA-Sys/chinese-clip-vit-base-patch16",
        ),
        (512, 512, 512),
        "by model; MIT for OpenAI's CLIP",
    ),
    Family(
        "siglip",
        "senseweave.encoders.families.siglip",
        ("text", "image"),
        "image",
        "SigLIP and SigLIP 2, with one resolution or native aspect ratios",
        ("google/siglip-base-patch16-224", "google/siglip2-base-patch16-naflex"),
        (768, 768),
        "Apache-2.0",
    ),
    Family(
        "blip",
        "senseweave.encoders.families.blip",
        ("text", "image"),
        "image",
        "BLIP for image-text retrieval",
        ("Salesforce/blip-itm-base-coco",),
        (256,),
        "BSD-3-Clause",
    ),
    Family(
        "open_clip",
        "senseweave.encoders.families.open_clip",
        ("text", "image"),
        "openclip",
        "any model of open_clip, by architecture and tag, architecture and checkpoint file, hub id or folder",
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "open_clip:ViT-B-32//path/to/checkpoint.safetensors"),
        (512, 512),
        "by checkpoint; MIT for LAION's",
    ),
    Family(
        "image",
        "senseweave.encoders.families.image",
        ("image",),
        "image",
        "image encoders of transformers: ViT, DeiT, DINOv2 and 3, MAE, BEiT, Swin, ConvNeXt, ResNet, EfficientNet",
        ("facebook/dinov2-base", "google/vit-base-patch16-224-in21k", "microsoft/resnet-50"),
        (768, 768, 2048),
        "by model; DINOv3 has its own terms",
    ),
    Family(
        "timm",
        "senseweave.encoders.families.timm",
        ("image",),
        "image",
        "any image model of timm, by name and tag, hub id, folder, or architecture and checkpoint file",
        ("timm/vit_small_patch14_dinov2.lvd142m", "timm:resnet18.a1_in1k", "timm:resnet18//path/to/checkpoint"),
        (384, 512, 512),
        "by model; some ImageNet weights are for research only",
    ),
    Family(
        "clap",
        "senseweave.encoders.families.clap",
        ("text", "audio"),
        "audio-models",
        "CLAP, unfused and fused: sound and text, in windows of 10 s, the same vector every time",
        ("laion/clap-htsat-unfused", "laion/larger_clap_general"),
        (512, 512),
        "Apache-2.0",
    ),
    Family(
        "speech",
        "senseweave.encoders.families.speech",
        ("audio",),
        "audio-models",
        "speech encoders: Whisper's, Moonshine's, wav2vec 2.0, HuBERT, WavLM and kin, over true frames, any layer",
        ("openai/whisper-base", "microsoft/wavlm-base-plus", "facebook/hubert-base-ls960"),
        (512, 768, 768),
        "by model; MIT for Whisper and WavLM, Apache-2.0 for wav2vec 2.0 and HuBERT",
    ),
    Family(
        "ast",
        "senseweave.encoders.families.ast",
        ("audio",),
        "audio-models",
        "Audio Spectrogram Transformer: sounds of any kind, in windows of 10 s",
        ("MIT/ast-finetuned-audioset-10-10-0.4593",),
        (768,),
        "BSD-3-Clause",
    ),
    Family(
        "audiomae",
        "senseweave.encoders.families.audiomae",
        ("audio",),
        "audio-models",
        "AudioMAE's encoder, and other timm vision transformers over spectrograms",
        ("audiomae:gaunernst/vit_base_patch16_1024_128.audiomae_as2m",),
        (768,),
        "by model; AudioMAE is CC-BY-NC",
    ),
    Family(
        "frames",
        "senseweave.encoders.families.frames",
        ("text", "image", "video"),
        "video",
        "any model with an image encoder, and video by its frames in the same space (mean, max or temporal pooling)",
        ("frames:openai/clip-vit-base-patch32", "frames:facebook/dinov2-base"),
        (512, 768),
        "by model",
    ),
    Family(
        "video",
        "senseweave.encoders.families.video",
        ("video",),
        "video-models",
        "video transformers: VideoMAE, TimeSformer, ViViT, over clips sampled by time",
        ("MCG-NJU/videomae-base", "facebook/timesformer-base-finetuned-k400", "google/vivit-b-16x2-kinetics400"),
        (768, 768, 768),
        "by model; VideoMAE and TimeSformer are CC-BY-NC",
    ),
    Family(
        "xclip",
        "senseweave.encoders.families.xclip",
        ("text", "video"),
        "video-models",
        "X-CLIP: video and text in one space",
        ("microsoft/xclip-base-patch32",),
        (512,),
        "MIT",
    ),
    Family(
        "torchvision",
        "senseweave.encoders.families.torchvision",
        ("video",),
        "video-models",
        "torchvision's video networks (R3D, S3D, MViT, Swin3D), with a local weight file",
        ("torchvision:r3d_18//path/to/weights.pth",),
        (512,),
        "BSD-3-Clause code; weights trained on Kinetics-400",
    ),
    Family(
        "speaker",
        "senseweave.encoders.families.speaker",
        ("audio",),
        "audio-models",
        "who speaks: the GE2E speaker encoder of Resemblyzer, from its package (pip install --no-deps resemblyzer)",
        ("speaker:resemblyzer",),
        (256,),
        "Apache-2.0",
    ),
    Family(
        "bridge",
        "senseweave.encoders.families.bridge",
        ("text", "image", "audio", "video"),
        "image",
        "a text model, and images, sounds and videos in its space by labels, captions, OCR or recognised speech",
        ("bridge:sentence-transformers/all-MiniLM-L6-v2",),
        (384,),
        "by models",
    ),
    Family(
        "omni",
        "senseweave.encoders.families.omni",
        ("text", "image", "audio", "video"),
        "text",
        "models that sentence-transformers loads with several modalities, given decoded inputs and never strings",
        ("omni:path/to/model",),
        (None,),
        "by model",
    ),
)


def by_scheme() -> dict[str, Family]:
    """The families by their scheme."""
    return {family.scheme: family for family in FAMILIES}
