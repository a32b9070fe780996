"""The small real space and the files of the retrieval tests, for evaluation."""

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location(
    "senseweave_tests_retrieval_fixtures", Path(__file__).parents[1] / "retrieval" / "conftest.py"
)
_fixtures = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_fixtures)

corpus_folder = _fixtures.corpus_folder
index = _fixtures.index
space = _fixtures.space
tiny = _fixtures.tiny
write_picture = _fixtures.write_picture
write_sound = _fixtures.write_sound
