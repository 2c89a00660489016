"""Progress of a run, for those who watch it and for those who read the log afterwards."""

from flopslab.progress.bars import OverallBar, PassBars
from flopslab.progress.outlets import open_stderr
from flopslab.progress.protocol import NullProgress, Progress

__all__ = ["NullProgress", "OverallBar", "PassBars", "Progress", "open_stderr"]
