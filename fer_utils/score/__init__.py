"""Score anybody's predictions for FER-2013 by this study's standard: ``python -m fer_utils.score predictions.csv``."""

from fer_utils.score.answers import read_csv, read_run
from fer_utils.score.known import facts
from fer_utils.score.measures import report
from fer_utils.score.table import ScoreError
