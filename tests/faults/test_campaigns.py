"""The list of campaigns is true."""

import pytest

from tests.faults.__main__ import CAMPAIGNS, campaign


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_every_campaign_can_be_found_and_says_what_it_does(name: str) -> None:
    found = campaign(name)
    assert found.ABOUT
    assert found.COUNT > 0
    assert callable(found.run)
