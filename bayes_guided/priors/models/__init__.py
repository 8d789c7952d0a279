"""Priors over models p(m), and the ways to ask for one: the constructors `from_...` by what is wanted.

| wanted         | Independent       | Nested            | CumulativeShrinkage  | Tilted                 | Gibbs            |
|----------------|-------------------|-------------------|----------------------|------------------------|------------------|
| guidance       | `from_guidance`   | `from_guidance`   | `from_guidance`      | `from_guidance`, a law | -                |
| survivals      | `from_survival`   | `from_survival`   | `from_survival`      | -                      | -                |
| mean widths    | `from_mean_width` | `from_mean_width` | `from_mean_width`    | -                      | -                |
| laws of widths | `from_width_law`  | `from_law`        | -                    | `from_guidance`, a law | -                |
| a law of size  | -                 | -                 | -                    | `TiltedWidth.shared`   | -                |
| mean cost      | -                 | -                 | -                    | -                      | `from_mean_cost` |
| its own terms  | costs             | `from_hazard`     | `from_concentration` | laws and costs         | cost and beta    |

What is left out has no good answer. TiltedWidth takes any law of widths, and a mean alone names none: the law of largest
entropy is that of `IndependentInclusion.from_mean_width`. Its survivals follow from law and guidance together. Under
GibbsComplexity all units of a group are alike and one beta sets all widths, so that it is asked for by the cost of the whole
network. Cumulative shrinkage has few laws of widths, none of them a family with a name.
"""
