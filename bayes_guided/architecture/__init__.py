"""Units of networks: discovery, rows and parameters, masks, costs, reduction."""

from .architecture import Architecture as Architecture
from .reduction import reduce as reduce
from .storage import load_reduced as load_reduced
from .storage import save_reduced as save_reduced
from .sub_architecture import SubArchitecture as SubArchitecture
from .unit_group import Cut as Cut
from .unit_group import ProtectedLayer as ProtectedLayer
from .unit_group import RestBlock as RestBlock
from .unit_group import Role as Role
from .unit_group import RowBlock as RowBlock
from .unit_group import UnitGroup as UnitGroup
