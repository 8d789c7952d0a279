"""Shifted images: every move against slices by hand, all moves equally often, flat and square alike, targets that go along."""

import pytest
import torch

import bayes_guided as bg
from experiments.shifts import ShiftedImages, shifted_batches


@pytest.mark.parametrize("shape", [(3, 1, 7, 9), (3, 2, 6, 5)])
def test_every_move_is_a_slice_with_background_moving_in(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    images = torch.randn(shape)
    data = ShiftedImages(images, torch.arange(3), 2)
    rows, columns = shape[2:]
    for down in range(-2, 3):
        for right in range(-2, 3):
            wanted = torch.full(shape, float(images.min()))
            to = (slice(max(down, 0), rows + min(down, 0)), slice(max(right, 0), columns + min(right, 0)))
            of = (slice(max(-down, 0), rows + min(-down, 0)), slice(max(-right, 0), columns + min(-right, 0)))
            wanted[:, :, *to] = images[:, :, *of]
            assert torch.equal(data.moved(torch.arange(3), torch.full((3,), down), torch.full((3,), right)), wanted)


def test_each_image_has_its_own_move() -> None:
    images = torch.zeros(3, 1, 9, 9)
    images[:, 0, 4, 4] = 1.0
    moved = ShiftedImages(images, torch.arange(3), 2).moved(
        torch.tensor([2, 0, 1]), torch.tensor([0, 2, -1]), torch.tensor([0, -1, 2])
    )
    assert [tuple(place.tolist()) for place in (moved[:, 0] == 1).nonzero()] == [(0, 4, 4), (1, 6, 3), (2, 3, 6)]


def test_flat_images_move_as_square_ones_do() -> None:
    torch.manual_seed(0)
    images = torch.randn(20, 1, 5, 5)
    flat, square = (ShiftedImages(form, torch.arange(20), 1) for form in (images.flatten(1), images))
    moves = torch.randint(-1, 2, (2, 20))
    assert torch.equal(flat.moved(torch.arange(20), *moves), square.moved(torch.arange(20), *moves).flatten(1))


def test_all_moves_happen_equally_often() -> None:
    images = torch.full((1, 784), -0.4)
    images[0, 14 * 28 + 14] = 2.0
    torch.manual_seed(0)
    moved, _ = ShiftedImages(images, torch.tensor([7]), 1)[[0] * 900]
    assert bool(((moved == 2.0).sum(dim=1) == 1).all())
    places = moved.argmax(dim=1)
    moves, counts = torch.stack([places // 28 - 14, places % 28 - 14], dim=1).unique(dim=0, return_counts=True)
    assert moves.tolist() == [[down, right] for down in (-1, 0, 1) for right in (-1, 0, 1)]
    deviation = (900 * 1 / 9 * 8 / 9) ** 0.5
    assert int((counts - 100).abs().max()) <= 4 * deviation


def test_a_pass_sees_every_image_once_with_its_targets() -> None:
    images = torch.zeros(10, 1, 4, 4)
    images[:, 0, 1:3, 1:3] = torch.arange(10.0)[:, None, None]
    targets = torch.stack([torch.arange(10.0), -torch.arange(10.0)], dim=1)
    torch.manual_seed(0)
    loader = shifted_batches(images, targets, 1, 4)
    batches = list(loader)
    assert len(loader) == 3
    assert [len(x) for x, _ in batches] == [4, 4, 2]
    assert all((x.amax((1, 2, 3)) == y[:, 0]).all() and (y[:, 1] == -y[:, 0]).all() for x, y in batches)
    assert torch.cat([y[:, 0] for _, y in batches]).sort().values.tolist() == list(range(10))


def test_a_fit_s_seed_governs_the_moves() -> None:
    torch.manual_seed(1)
    x, y = torch.randn(60, 16), torch.randint(3, (60,))
    net = bg.nets.mlp(16, (4,), outputs=3)
    ridge = bg.priors.Normal(1.0)
    prior = bg.GuidedPrior(bg.Architecture.from_module(net, x[:2]), weights=ridge, rest=ridge)
    state = {name: value.clone() for name, value in net.state_dict().items()}

    def fitted(seed: int) -> torch.Tensor:
        net.load_state_dict(state)
        fit = bg.fit_map(net, prior, shifted_batches(x, y, 1, 20), epochs=2, batch_size=20, seed=seed, progress=False)
        return torch.cat([rows.flatten() for rows in fit.rows.values()])

    assert torch.equal(fitted(0), fitted(0))
    assert not torch.equal(fitted(0), fitted(1))


@pytest.mark.parametrize("shape", [(2, 15), (2, 4, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="channels, rows, columns"):
        ShiftedImages(torch.zeros(shape), torch.zeros(2), 1)
