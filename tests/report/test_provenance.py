"""What a report says of how its run was made."""

from dataclasses import replace

from bayes_guided.report import ReportedRun
from bayes_guided.report.provenance import provenance, settings_text


def test_what_was_done_to_the_training_part_is_told(middle: ReportedRun) -> None:
    assert ["data", "npz"] in provenance(middle).rows
    assert not any("training" in row[0] for row in provenance(middle).rows)
    data = middle.config.data.model_copy(update={"limit": 1200, "label_noise": 0.25})
    run = replace(middle, config=middle.config.model_copy(update={"data": data}))
    rows = dict(provenance(run).rows)
    assert rows["training cases"] == "1,200, drawn at random (data.limit)"
    assert rows["wrong training labels"] == "25.0 % (data.label_noise)"
    assert "limit: 1200" in settings_text(run)
    assert "label_noise: 0.25" in settings_text(run)
