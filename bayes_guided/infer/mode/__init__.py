"""What holds around one mode: Laplace's Gaussian, margins, evidence of models."""
