"""How robust the widths and errors of a guided MAP are, and whether the width follows the data or their noise."""
