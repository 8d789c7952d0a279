"""Threads by the size of the work; the user's setting comes back."""

import pytest
import torch

from bayes_guided.infer.training.threads import threads_for


@pytest.mark.parametrize(("macs", "chosen"), [(0.0, 1), (7e6, 1), (9.9e6, 1), (1e7, 2), (2e7, 3), (1e12, 3)])
def test_small_work_gets_one_thread_and_none_gets_more_than_the_user_allows(macs, chosen):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with threads_for(macs) as threads:
            assert threads == chosen == torch.get_num_threads()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_setting_comes_back_after_an_error_and_from_nested_use():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt), threads_for(1e9), threads_for(1.0):
            raise KeyboardInterrupt
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
