"""Index and query with the two pipelines beside this file, `indexing.yaml` and `querying.yaml`; runs offline.

python pipelines_from_yaml.py "a colourful parrot" photos/ talk.mp3

The store is the folder `chroma` where the script runs.
"""

import sys
from pathlib import Path

from haystack import Pipeline

from senseweave.demo.corpus import corpus_folder

HERE = Path(__file__).parent


def main(question: str = "When do the swimming lessons start?", *sources: str) -> None:
    """Index the sources (the sample corpus if there are none) and print what answers the question."""
    indexing = Pipeline.loads((HERE / "indexing.yaml").read_text())
    result = indexing.run({"converter": {"sources": list(sources) or [str(corpus_folder())]}})
    print(
        f"{result['writer']['documents_written']} Documents written, {len(result['converter']['failed'])} files failed"
    )

    querying = Pipeline.loads((HERE / "querying.yaml").read_text())
    answer = querying.run({"retriever": {"query": question}, "prompt": {"query": question}})
    for part in answer["prompt"]["prompt"][-1].texts:
        print(part)


if __name__ == "__main__":
    main(*sys.argv[1:])
