import pytest

from srseg.errors import UnknownNameError
from srseg.training import get_recipe, list_recipes


def test_the_papers_recipe_has_the_papers_numbers():
    """Section Implementation: Adam at 3e-4, batch 32, 1.5e6 iterations, halved after 1e4."""
    paper = get_recipe("paper")
    assert paper.max_iter == 1_500_000
    assert paper.batch_size == 32
    assert paper.learning_rate == 3e-4
    assert (paper.schedule, paper.patience) == ("plateau", 10_000)
    assert paper.stop_after is not None
    assert paper.stop_after > paper.patience
    assert paper.averaging == 0


def test_recipes_have_names():
    assert list_recipes() == ["paper", "fast"]
    with pytest.raises(UnknownNameError, match="there are: paper, fast"):
        get_recipe("slow")
