"""One self-contained HTML page on a finished run, or on several side by side."""

from .reported_run import ReportedRun as ReportedRun
from .reported_run import read_reported as read_reported
from .writing import html_report as html_report
from .writing import run_report as run_report
from .writing import write_report as write_report
