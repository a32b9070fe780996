"""Tiny models of the video families, and the computations that their authors document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from films import films, forms, longer_than
from pictures import forms as picture_forms
from pictures import livelier, one_by_one, pictures
from tiny_image_text import TEXT, VISION, clip_tokenizer, make_clip, transformers_images, transformers_texts
from tiny_text import POSITIONS, SEED, long_text, texts

from senseweave.testing import Case

WINDOW = 1.5
"""Seconds, so that the long video stays short."""
TRANSFORMER = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
}


def maker(kind: str, model: str, processor: str, **config: Any) -> Callable[[Path], str]:
    """Save a tiny model of a kind such as `VideoMAE`."""

    def make(folder: Path) -> str:
        import torch
        import transformers

        torch.manual_seed(SEED)
        configuration = getattr(transformers, f"{kind}Config")(**{**TRANSFORMER, **config})
        livelier(getattr(transformers, model)(configuration)).save_pretrained(folder)
        options = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
        getattr(transformers, processor)(**options).save_pretrained(folder)
        return str(folder)

    return make


def make_xclip(folder: Path) -> str:
    import torch
    from transformers import VideoMAEImageProcessorPil, XCLIPConfig, XCLIPModel

    torch.manual_seed(SEED)
    tokenizer = clip_tokenizer(folder)
    text = {
        **TEXT,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": POSITIONS,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        **VISION,
        "num_frames": 4,
        "mit_hidden_size": 12,
        "mit_intermediate_size": 24,
        "mit_num_attention_heads": 2,
    }
    config = XCLIPConfig(text_config=text, vision_config=vision, projection_dim=12, prompt_num_attention_heads=2)
    livelier(XCLIPModel(config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    VideoMAEImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return str(folder)


def make_s3d(folder: Path) -> str:
    """S3D, the smallest of torchvision's; its size is fixed, its weights are random."""
    import torch
    from safetensors.torch import save_file
    from torchvision.models import get_model

    torch.manual_seed(SEED)
    model = get_model("s3d", weights=None)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm3d)]
    for norm in norms:  # statistics of noise in place of those that an untrained batch norm lacks
        norm.momentum = None
    with torch.no_grad():
        model.train()(torch.randn(1, 3, 16, 224, 224))
    save_file(model.state_dict(), folder / "s3d.safetensors")
    return f"torchvision:s3d//{folder / 's3d.safetensors'}"


def clip_by_clip(compute: Callable[[list[Any]], Any]) -> Callable[[Sequence[Any]], np.ndarray]:
    return lambda items: one_by_one(lambda clip: compute(list(clip.frames)), items)


def transformers_reference(model_class: str, read: Callable[[Any, Any], Any]) -> Callable[..., np.ndarray]:
    """One clip at a time, prepared by the model's own processor."""

    def reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
        import transformers

        processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
        model = getattr(transformers, model_class).from_pretrained(folder).eval()

        def compute(frames: list[Any]) -> Any:
            pixels = processor(frames, return_tensors="pt").pixel_values
            return read(model, pixels if pixels.ndim == 5 else pixels.unsqueeze(0))

        return clip_by_clip(compute)(items)

    return reference


def class_token(model: Any, pixels: Any) -> Any:
    """The class token's state (TimeSformer, arXiv 2102.05095, section 3; ViViT, arXiv 2103.15691, section 3.1)."""
    return model(pixel_values=pixels).last_hidden_state[:, 0]


def patch_mean(model: Any, pixels: Any) -> Any:
    """Mean over the patches (MCG-NJU/VideoMAE, modeling_finetune.py: use_mean_pooling, before the norm)."""
    return model(pixel_values=pixels).last_hidden_state.mean(dim=1)


def normed_patch_mean(model: Any, pixels: Any) -> Any:
    """Mean over the patches, then the norm (MCG-NJU/VideoMAE, modeling_finetune.py, forward_features)."""
    return model.fc_norm(model.videomae(pixel_values=pixels).last_hidden_state.mean(dim=1))


def xclip_video(model: Any, pixels: Any) -> Any:
    """`get_video_features` (documentation of XCLIPModel in transformers)."""
    return model.get_video_features(pixel_values=pixels).pooler_output


def xclip_texts(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """`get_text_features` (documentation of XCLIPModel in transformers)."""
    from transformers import AutoTokenizer, XCLIPModel

    tokenizer, model = AutoTokenizer.from_pretrained(folder), XCLIPModel.from_pretrained(folder).eval()
    return one_by_one(
        lambda text: (
            model.get_text_features(
                **tokenizer([text], truncation=True, max_length=POSITIONS, return_tensors="pt")
            ).pooler_output
        ),
        items,
    )


def frame_mean(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """Mean of the frames' unit image vectors (CLIP4Clip, arXiv 2104.08860, section 3.3)."""
    from transformers import AutoImageProcessor, CLIPModel

    processor, model = (
        AutoImageProcessor.from_pretrained(folder, backend="pil"),
        CLIPModel.from_pretrained(folder).eval(),
    )

    def compute(frames: list[Any]) -> Any:
        vectors = model.get_image_features(**processor(images=frames, return_tensors="pt")).pooler_output
        return (vectors / vectors.norm(dim=1, keepdim=True)).mean(dim=0)

    return clip_by_clip(compute)(items)


def s3d_reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """What goes into the classifier, averaged over space and time (torchvision, models/video/s3d.py)."""
    import torch
    from safetensors.torch import load_file
    from torchvision.models import get_model
    from torchvision.models.video import S3D_Weights

    model = get_model("s3d", weights=None)
    model.load_state_dict(load_file(folder / "s3d.safetensors"))
    model.eval()
    transform = S3D_Weights.DEFAULT.transforms()

    def compute(frames: list[Any]) -> Any:
        pixels = transform(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))
        return model.avgpool(model.features(pixels.unsqueeze(0))).mean(dim=(2, 3, 4))

    return clip_by_clip(compute)(items)


def case(name: str, make: Any, reference: Any, weight: str, **options: Any) -> Case:
    """A video case; `options` go to `sw.load`."""
    return Case(
        name,
        "video",
        make,
        films,
        reference,
        options={"window_seconds": WINDOW, **options},
        forms=forms,
        long_item=longer_than(WINDOW),
        splits_long=True,
        poison=weight,
        missing=weight,
    )


def make_frames(folder: Path) -> str:
    return f"frames:{make_clip(folder)}"


def frames_case(name: str, modality: str, items: Any, reference: Any, weight: str, **more: Any) -> Case:
    """What a model of frames embeds beside video is what it embeds without it."""
    return Case(name, modality, make_frames, items, reference, poison=weight, missing=weight, **more)


PATCHES = {"patch_size": 16, "num_frames": 4}
VIDEO_FAMILIES: list[Case] = [
    case("frames-clip", make_frames, frame_mean, "visual_projection.weight", frames=3),
    frames_case("frames-text", "text", texts, transformers_texts, "text_projection.weight", long_item=long_text),
    frames_case(
        "frames-image", "image", pictures, transformers_images, "visual_projection.weight", forms=picture_forms
    ),
    case(
        "videomae",
        maker("VideoMAE", "VideoMAEModel", "VideoMAEImageProcessorPil", use_mean_pooling=False, **PATCHES),
        transformers_reference("VideoMAEModel", patch_mean),
        "layernorm.weight",
    ),
    case(
        "videomae-fine-tuned",
        maker("VideoMAE", "VideoMAEForVideoClassification", "VideoMAEImageProcessorPil", num_labels=3, **PATCHES),
        transformers_reference("VideoMAEForVideoClassification", normed_patch_mean),
        "fc_norm.weight",
    ),
    case(
        "timesformer",
        maker("Timesformer", "TimesformerForVideoClassification", "VideoMAEImageProcessorPil", num_labels=3, **PATCHES),
        transformers_reference("TimesformerModel", class_token),
        "layernorm.weight",
    ),
    case(
        "vivit",
        maker(
            "Vivit",
            "VivitForVideoClassification",
            "VivitImageProcessor",
            num_labels=3,
            tubelet_size=[2, 16, 16],
            num_frames=4,
        ),
        transformers_reference("VivitModel", class_token),
        "layernorm.weight",
    ),
    case("xclip-video", make_xclip, transformers_reference("XCLIPModel", xclip_video), "visual_projection.weight"),
    Case(
        "xclip-text",
        "text",
        make_xclip,
        texts,
        xclip_texts,
        long_item=long_text,
        poison="text_projection.weight",
        missing="text_projection.weight",
    ),
    replace(  # the one model here that is not tiny: two videos, in two forms
        case("torchvision-s3d", make_s3d, s3d_reference, "features.0.0.0.weight", frames=16),
        items=lambda folder: films(folder)[:2],
        forms=lambda path: [path, path.read_bytes()],
    ),
]
