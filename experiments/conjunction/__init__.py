"""Nine structured regularisers, each guided and unguided, at matched error and at matched size."""
