"""The page says what the tests say."""

from tests.property.works_on import PAGE, with_table


def test_the_table_is_that_of_the_tests():
    text = PAGE.read_text()
    assert text == with_table(text), "run `python -m tests.property.works_on`"
