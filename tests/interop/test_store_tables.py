"""The tables of stores in the READMEs say what the tests of stores hold them to."""

import pytest
import store_tables


@pytest.mark.parametrize("package", store_tables.TABLES)
def test_the_readme_shows_the_table_that_the_tests_declare(package):
    document = store_tables.readme(package).read_text(encoding="utf-8")
    expected = store_tables.replace(document, store_tables.render(package))
    assert document == expected, "run python tests/store_tables.py"


def test_a_document_without_a_place_for_the_table_is_an_error():
    with pytest.raises(LookupError, match="table of stores: begin"):
        store_tables.replace("# A README", "| store |")
