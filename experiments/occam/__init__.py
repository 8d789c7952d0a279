"""Prior over models against posterior and evidence: where the data overrule guidance, and where they cannot."""
