"""Guidance: how strongly the prior wants each unit gone.

linear()                                   # later units pressed harder
linear().across(cost("macs"))              # and whole groups in proportion to what their units cost
constant().across({"layer3.0.conv1": 2.0}) # one group twice as hard
from_width({"fc1": 60, "fc2": 30}, weights=GroupLaplace(strength=1.0), reading="evidence", curvature=100.0)
"""

from .inverse import from_survival as from_survival
from .inverse import from_width as from_width
from .profiles import Coefficients as Coefficients
from .profiles import Guidance as Guidance
from .profiles import constant as constant
from .profiles import cost as cost
from .profiles import custom as custom
from .profiles import exponential as exponential
from .profiles import linear as linear
from .profiles import polynomial as polynomial
from .profiles import step as step
