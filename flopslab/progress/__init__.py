"""Progress of a run, for those who watch it and for those who read the log afterwards."""

from flopslab.progress.bars import OverallBar, RunBar
from flopslab.progress.outlets import open_stderr
from flopslab.progress.protocol import NullProgress, Progress, SafeProgress

__all__ = ["NullProgress", "OverallBar", "Progress", "RunBar", "SafeProgress", "open_stderr"]
