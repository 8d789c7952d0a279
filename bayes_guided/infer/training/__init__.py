"""The one training loop, and what every fit starts with."""
