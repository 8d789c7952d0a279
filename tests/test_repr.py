"""What a notebook shows of an object: its sizes in a line, and not the tensors inside."""

import torch

import bayes_guided as bg
from tests.infer.problems import CLASSES


def test_architectures_name_their_groups():
    architecture = bg.Architecture.from_module(bg.nets.mlp(3, (4, 5), outputs=2), torch.randn(2, 3))
    assert repr(architecture) == "Architecture(layers.0: 4, layers.1: 5)"
    sub = architecture.sub_architecture({"layers.0": torch.arange(4) < 1})
    assert repr(sub) == "SubArchitecture(layers.0: 1 of 4, layers.1: 5 of 5)"
    deep = bg.Architecture.from_module(bg.nets.mlp(3, (4,) * 12, outputs=2), torch.randn(2, 3))
    assert repr(deep).count("layers.") == 8
    assert "... 4 groups ..." in repr(deep)


def test_guidance_is_shown_as_it_was_written():
    of = bg.guidance
    for guidance, shown in [
        (of.constant(), "constant()"),
        (of.polynomial(2), "polynomial(2)"),
        (of.exponential(0.5), "exponential(0.5)"),
        (of.step(3).across(of.cost("macs")), "step(3).across(cost('macs'))"),
        (of.constant().across({"layers.0": 2.0}), "constant().across({'layers.0': 2.0})"),
        (of.custom({"layers.0": torch.ones(4)}), "custom(given for layers.0, normalise=True)"),
    ]:
        assert repr(guidance) == shown


def test_data_sets_count_their_cases():
    digits = bg.datasets.load_digits()
    sizes = [len(digits.train_y), len(digits.test_y)]
    assert repr(digits) == f"Dataset(digits: {sizes[0]} training and {sizes[1]} test cases of 64 features, 10 classes)"
    split = digits.split_validation(0.1, seed=0)
    assert split.validation_y is not None
    assert f"training, {len(split.validation_y)} validation and" in repr(split)


def test_fits_and_priors_show_no_tensors():
    net = CLASSES.net()
    prior = CLASSES.prior(net)
    models = bg.NestedWidth.from_guidance(prior.architecture, bg.guidance.linear(), strength=0.1)
    spike_and_slab = bg.SpikeAndSlabPrior(prior.architecture, models, bg.priors.Normal(0.5))
    budget = {"epochs": 3, "batch_size": 16, "seed": 0}
    fits = [
        bg.fit_map(net, prior, CLASSES.data(), refit_epochs=2, **budget),
        bg.fit_svi(net, prior, CLASSES.data(), **budget),
        bg.fit_svi(net, spike_and_slab, CLASSES.data(), allow_empty=True, **budget),
        bg.fit_ensemble(net, prior, CLASSES.data(), members=2, **budget),
    ]
    for thing in (*fits, prior, models, spike_and_slab, fits[1].draws(2)):
        assert "tensor(" not in repr(thing)
        assert "\n" not in repr(thing)
    assert "History(3 epochs, the last Epoch(loss=" in repr(fits[0])
