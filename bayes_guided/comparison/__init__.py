"""Prior and posterior over models side by side: what the data changed."""

from .comparing import compare as compare
from .result import Comparison as Comparison
from .side_by_side import side_by_side as side_by_side
from .table import comparison_table as comparison_table
