"""Every plot of the package, drawn from small stored results."""
