"""The paper's tables and figures next to ours."""

from fer_utils.comparison.summary import (
    TEST_SIZES,
    arm_name,
    hardware,
    json_records,
    load_comparators,
    load_runs,
    paper_arms,
    pretraining_seconds,
    runs_table,
    seconds_per_megapixel,
    summarize_arms,
)
