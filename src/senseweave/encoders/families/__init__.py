"""The families of models, one file each, named as its scheme."""

BUILT_IN = (
    "starter", "sentence", "static", "contextual", "tokens", "openai",
    "clip", "siglip", "blip", "open_clip", "image", "timm",
    "clap", "speech", "ast", "audiomae", "panns", "vggish", "beats",
    "frames", "video", "xclip", "pe_av", "torchvision", "c3d", "i3d",
    "speaker", "xvector", "ecapa", "bridge", "omni", "aligned",
)  # fmt: skip
"""Their schemes, in the order in which they are listed to users."""
