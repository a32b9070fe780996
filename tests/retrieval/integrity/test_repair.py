"""What a repair rebuilds, what it leaves alone, and how it is interrupted."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from damage import NOTES, change_database, found_by_own_text, vectors

from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.integrity.repair import repair_folder
from senseweave.retrieval.integrity.swap import MARK
from senseweave.retrieval.integrity.vector_files import IDS, check_graph
from senseweave.retrieval.integrity.verify import verify_folder


def test_media_are_embedded_again_from_their_files(corpus_folder, space, tmp_path):
    place = tmp_path / "index"
    with Index(place, spaces=[space]) as index:
        index.add(corpus_folder)
        size = len(index)
        hits = [(hit.source, hit.modality) for hit in index.search("something red", k=20)]
    change_database(place, "DELETE FROM embeddings_queue")
    (corpus_folder / "green.png").unlink()
    (corpus_folder / "low.wav").write_bytes((corpus_folder / "song.wav").read_bytes())
    with Index(place, spaces=[space], check=False) as index:
        report = index.repair()
        assert {(problem.kind, Path(problem.sources[0]).name) for problem in report.lost} == {
            ("source missing", "green.png"),
            ("source changed", "low.wav"),
        }
        assert not report.ok
        assert report.embedded == size - 2 == len(index)
        again = [(hit.source, hit.modality) for hit in index.search("something red", k=20)]
        assert set(again) == {hit for hit in hits if not hit[0].endswith(("green.png", "low.wav"))}
        assert again[0] == hits[0]


def test_a_space_that_does_not_load_leaves_the_folder_alone(folder, space):
    shutil.rmtree(vectors(folder))

    def load(_):
        raise StoreError("no such space")

    with pytest.raises(StoreError, match="nothing was changed"):
        repair_folder(folder, load)
    assert verify_folder(folder).records == NOTES
    assert [path.name for path in folder.parent.iterdir()] == ["index"]


def test_other_programs_collections_are_taken_over(folder, space):
    import chromadb

    client = chromadb.PersistentClient(str(folder))
    for measure in ("cosine", "l2", "ip"):
        other = client.create_collection(f"other-{measure}", configuration={"hnsw": {"space": measure}})
        rows = np.random.default_rng(1).normal(size=(1200, 4)).astype("f4") * 3
        for at in (0, 600):
            other.add(
                ids=[f"o{at + i}" for i in range(600)],
                embeddings=rows[at : at + 600],
                documents=["words"] * 600,
                metadatas=[{"n": i, "tags": ["a", "b"], "flag": True} for i in range(600)],
            )
    client.close()
    (vectors_of_ours,) = {path.parent for path in folder.glob(f"*/{IDS}")} - {
        path.parent for path in folder.glob(f"*/{IDS}") if check_graph(path.parent, cosine=False).dimension == 4
    }
    shutil.rmtree(vectors_of_ours)
    assert repair_folder(folder, lambda _: space).ok
    client = chromadb.PersistentClient(str(folder))
    for measure in ("cosine", "l2", "ip"):
        other = client.get_collection(f"other-{measure}")
        found = other.get(ids=["o700"], include=["embeddings", "documents", "metadatas"])
        np.testing.assert_allclose(found["embeddings"][0], rows[700], rtol=1e-4)
        assert found["metadatas"] == [{"n": 100, "tags": ["a", "b"], "flag": True}]
        assert other.configuration["hnsw"]["space"] == measure
    client.close()


@pytest.mark.parametrize("moment", ["building", "whole", "moved", "swapped"])
def test_an_interrupted_repair_is_completed_or_undone(folder, space, moment, monkeypatch):
    """Killed at any step, the folder is the old or the new one, and nothing lies beside it afterwards."""
    from senseweave.retrieval.integrity import repair, swap

    shutil.rmtree(vectors(folder))
    real = Path.rename

    def stop(*_, **__):
        raise KeyboardInterrupt

    def stop_second(self, target):
        if self.name.endswith("-rebuilt"):
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(repair, "discard", lambda _: None)  # a killed process tidies nothing
        if moment == "building":
            patched.setattr(repair, "check_folder", stop)
        elif moment == "whole":
            patched.setattr(Path, "rename", stop)
        elif moment == "moved":
            patched.setattr(Path, "rename", stop_second)
        else:
            patched.setattr(swap.shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            repair_folder(folder, lambda _: space)
    if moment in ("building", "whole"):
        with pytest.raises(StoreError, match="is missing"):
            Index.open(folder, spaces=[space])
    else:
        with Index.open(folder, spaces=[space]) as index:
            assert found_by_own_text(index) == 100
    assert [path.name for path in folder.parent.iterdir()] == ["index"]
    assert not (folder / MARK).exists()


def test_nobody_elses_folder_is_taken_for_an_old_one(folder, space):
    theirs = folder.with_name(f".{folder.name}.senseweave-replaced")
    theirs.mkdir()
    (theirs / "letter.txt").write_text("mine")
    Index(folder, spaces=[space]).close()
    assert (theirs / "letter.txt").read_text() == "mine"
