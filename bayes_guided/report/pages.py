"""The templates that reports are made of."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page_templates(*packages: str) -> Environment:
    """The templates of these packages, then those that all pages share; a name that is missing is an error, not a gap."""
    loaders = [PackageLoader(package) for package in (*packages, "bayes_guided.report")]
    return Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
