"""Networks to guide: the usual ones of the pruning literature by name, and the user's own by file."""

from .custom import load_callable as load_callable
from .lenet5 import LeNet5 as LeNet5
from .lenet5 import lenet5 as lenet5
from .lenet300 import lenet300 as lenet300
from .mlp import MLP as MLP
from .mlp import mlp as mlp
from .registry import NETS as NETS
from .registry import build as build
from .resnet20 import ResNet20 as ResNet20
from .resnet20 import resnet20 as resnet20
