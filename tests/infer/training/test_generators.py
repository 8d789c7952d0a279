"""torch's generators are read, set and lent, and the caller's come back."""

import pytest
import torch

from bayes_guided.infer.training.generators import generator_states, kept_generators, seeded_generators, set_generator_states

CPU = torch.device("cpu")


def test_states_come_back():
    states = generator_states(CPU)
    first = torch.randn(5)
    set_generator_states(states, CPU)
    assert torch.equal(torch.randn(5), first)


def test_a_seed_gives_what_manual_seed_gives_and_the_callers_state_comes_back():
    with torch.random.fork_rng():
        torch.manual_seed(11)
        expected = torch.randn(4), torch.randperm(9), torch.nn.functional.dropout(torch.ones(20))
    before = torch.get_rng_state()
    with seeded_generators(11, CPU):
        found = torch.randn(4), torch.randperm(9), torch.nn.functional.dropout(torch.ones(20))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_error_inside_gives_the_callers_state_back():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), kept_generators(CPU), seeded_generators(0, CPU):
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_generator_of_the_device_is_lent_too():
    device = torch.device("cuda")
    before = generator_states(device)
    draws = []
    for _ in range(2):
        with seeded_generators(5, device):
            draws.append((torch.randn(3), torch.randn(3, device=device).cpu()))
    assert torch.equal(draws[0][0], draws[1][0])
    assert torch.equal(draws[0][1], draws[1][1])
    after = generator_states(device)
    assert all(torch.equal(before[name], after[name]) for name in ("cpu", "cuda"))
