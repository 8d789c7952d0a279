"""Modules that make units of any kind: gates on features, channels, blocks and attention heads."""

from .attention import HeadAttention as HeadAttention
from .block import GatedBlock as GatedBlock
from .block import Skipped as Skipped
from .block import Zero as Zero
from .gate import Gate as Gate
from .gate import GatedInputs as GatedInputs
from .gate import Select as Select
