"""Have a language model write questions to your own texts, and keep those by which their text is found; runs offline.

    python examples/synthetic_queries.py
    python examples/synthetic_queries.py --passages 15 --keep 3

The offline model, SmolLM2-135M-Instruct, is there to run without a key: many of its questions are poor, and most of
these are left out. Pass a chat model of LangChain, LlamaIndex or Haystack in its place for pairs to train on.
"""

import argparse

from senseweave.demo.chat import OfflineChat
from senseweave.demo.corpus import corpus_folder
from senseweave.training.data.synthetic import synthetic_queries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=8, help="how many texts are asked about")
    parser.add_argument("--keep", type=int, default=1, help="worst rank at which a question's text may be found")
    arguments = parser.parse_args()
    texts = [path.read_text(encoding="utf-8") for path in sorted((corpus_folder() / "texts").iterdir())]
    chat = OfflineChat()
    pairs = synthetic_queries(
        texts,
        lambda prompt: chat.reply([{"role": "user", "content": prompt}]),
        keep=arguments.keep,
        most=arguments.passages,
        progress=lambda done, total: print(f"\r{done} of {total} texts", end="", flush=True),
    )
    print(f"\n{pairs.report}")
    for question, text in pairs:
        print(f"{question.decode()}\n    {text.decode().strip().splitlines()[0]}")


if __name__ == "__main__":
    main()
