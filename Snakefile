# The study as a graph of notebooks: each rule is one plain papermill command.
#
#     make reproduce PROFILE=sample                            calls Snakemake with the machine's cores and GPUs
#     snakemake --cores 8 --config profile=cpu data=kaggle     the same by hand
#     snakemake --workflow-profile profiles/slurm --config profile=cpu data=...    the same as jobs of a Slurm cluster
#     snakemake -n -p --cores 8 --config profile=sample        only list the runs and their commands
#
# papermill writes into logs/, since Snakemake deletes the outputs of a failed run but keeps its logs. A finished
# notebook is copied next to its results. A run is finished when it has its metrics.json, which is written last.
#
# A finished training (02 to 05 and 08) is repeated when its command or its starting weights change, but not when its
# notebook changes (`ancient`): a corrected comment must not cost hours. After an important change in the code, delete
# the run's folder. 01, 06, 07 and 09 to 11 take seconds to two minutes, so they are repeated with their notebooks.

from fer_utils.runs import CHECKPOINT, EPOCHS
from fer_utils.runs.manifest import core_count
from fer_utils.workflow import start
from fer_utils.workflow.handover import read_settings
from fer_utils.workflow.profiles import ProfileError, read_count
from fer_utils.workflow.progress import follow
from fer_utils.workflow.snakemake import gpu_ids, shell_prefix
from fer_utils.workflow.study import PACKAGED, REPORTS, load_study

try:
    given = read_settings(config, workflow.config_settings.config_args)
    study = load_study(
        given["profile"] or "sample", given["data"], given["source"], given["seeds"], root=workflow.basedir
    )
    # Seconds that a cell may take. It is not part of a run's command, so a new limit repeats no finished run.
    LIMIT = f" --execution-timeout {read_count('timeout', given['timeout'])}" if given["timeout"] else ""
    # Threads of one run; as many runs start at once as fit into --cores.
    THREADS = read_count("threads", given["threads"] or core_count())
except ProfileError as error:
    raise WorkflowError(str(error)) from None

OUT = study.output_dir
ARMS = [run.name for run in (*study.arms(), *study.comparators())]
RUNGS, TRIALS, FINALS = ([run.name for run in study.recipes(kind)] for kind in ("ladder", "trials", "finals"))


def results(run):
    """The files that mark a run as finished. run: its folder below OUT, in which {...} are wildcards."""
    return {"metrics": f"{OUT}/{run}/metrics.json", "executed": f"{OUT}/{run}/executed.ipynb"}


def logs(run):
    """What papermill writes. run: its name."""
    return {"text": f"{OUT}/logs/{run}.log", "notebook": f"{OUT}/logs/{run}.ipynb"}


# A cell can end a notebook without an error, so a run has succeeded only if its last file, metrics.json, exists too.
# A repeated notebook continues from its checkpoint, which is needed until both outputs are in their places.
RUN_NOTEBOOK = (
    f"{{params.papermill}} --start-timeout 300{LIMIT} > {{log.text:q}} 2>&1"  # 60 s is too little if many start together
    " && test -s {output.metrics:q}"
    " && cp {log.notebook:q} {output.executed:q}.part && mv {output.executed:q}.part {output.executed:q}"
    f" && cd \"$(dirname {{output.metrics:q}})\" && rm -rf {CHECKPOINT} {EPOCHS}"
)

shell.executable("bash")
# A cluster gives its job the GPUs that it requested; on one machine, each run takes a free one.
shell.prefix(shell_prefix([] if workflow.remote_exec else gpu_ids()))
SETTINGS = workflow.output_settings  # a dry run and --verbose need Snakemake's own messages
progress = follow(study, replace=not (SETTINGS.dryrun or SETTINGS.verbose))
start.mark_runs(workflow.basedir)


wildcard_constraints:
    architecture="|".join((*study.profile.architectures, *study.profile.comparators)) or "none",
    recipe="|".join((*study.profile.ladder, *study.profile.trials, *study.profile.finals)) or "none",
    seed="[0-9]+",
    report="|".join(REPORTS),
    packaged="|".join(PACKAGED),


onstart:
    start.stop_leftovers(workflow.basedir)
    if trouble := start.unwritable(OUT):
        raise WorkflowError(f"Nothing was started. {trouble}")


onsuccess:
    print(progress.closing(), flush=True)


onerror:
    print(progress.closing(), flush=True)


rule all:
    input:
        f"{OUT}/explore/metrics.json",
        [f"{OUT}/compare/metrics.json"] if study.arms() else [],
        expand(f"{OUT}/{{run}}/metrics.json", run=ARMS),
        expand(f"{OUT}/ladder/{{run}}/metrics.json", run=[*RUNGS, *TRIALS, *FINALS]),
        expand(f"{OUT}/{{report}}/metrics.json", report=study.profile.reports),


rule explore:
    input:
        "notebooks/01_explore_data.ipynb",
    output:
        **results("explore"),
    log:
        **logs("explore"),
    params:
        papermill=lambda _: study.papermill(study.once("explore")),  # a function, since Snakemake reads a text's braces
    threads: THREADS
    shell:
        RUN_NOTEBOOK


# The backbone for transfer and fine-tuning, if the profile does not name WEIGHTS. Arms from scratch do not wait for it.
rule pretrain:
    input:
        ancient("notebooks/02_pretrain_backbone.ipynb"),
    output:
        weights=f"{OUT}/{{architecture}}-pretrain/backbone.weights.h5",
        **results("{architecture}-pretrain"),
    log:
        **logs("{architecture}-pretrain"),
    params:
        papermill=lambda wildcards: study.papermill(study.pretrain(wildcards.architecture)),
    threads: THREADS
    priority: 3  # two arms wait for it
    resources:
        gpu=1,
    shell:
        RUN_NOTEBOOK


rule scratch:
    input:
        ancient("notebooks/03_train_from_scratch.ipynb"),
    output:
        **results("{architecture}-scratch-seed{seed}"),
    log:
        **logs("{architecture}-scratch-seed{seed}"),
    params:
        papermill=lambda wildcards: study.papermill(study.arm(wildcards.architecture, "scratch", wildcards.seed)),
    threads: THREADS
    priority: 2  # the longest runs first, so that no long run is left at the end
    resources:
        gpu=1,
    shell:
        RUN_NOTEBOOK


def backbone(strategy):
    """The input of transfer and fine-tuning: notebook 02's weights, or none if the profile names WEIGHTS."""
    return lambda wildcards: (
        [study.backbone(wildcards.architecture)] if study.pretrained(strategy, wildcards.architecture) else []
    )


rule transfer:
    input:
        ancient("notebooks/04_transfer_learning.ipynb"),
        backbone("transfer"),
    output:
        **results("{architecture}-transfer-seed{seed}"),
    log:
        **logs("{architecture}-transfer-seed{seed}"),
    params:
        papermill=lambda wildcards: study.papermill(study.arm(wildcards.architecture, "transfer", wildcards.seed)),
    threads: THREADS
    resources:
        gpu=1,
    shell:
        RUN_NOTEBOOK


rule finetune:
    input:
        ancient("notebooks/05_fine_tuning.ipynb"),
        backbone("finetune"),
    output:
        **results("{architecture}-finetune-seed{seed}"),
    log:
        **logs("{architecture}-finetune-seed{seed}"),
    params:
        papermill=lambda wildcards: study.papermill(study.arm(wildcards.architecture, "finetune", wildcards.seed)),
    threads: THREADS
    priority: 1
    resources:
        gpu=1,
    shell:
        RUN_NOTEBOOK


# A final candidate waits for the ladder, which it was chosen on and which its notebook shows at the end.
rule recipe:
    input:
        ancient("notebooks/08_beyond_the_paper.ipynb"),
        lambda wildcards: (  # of the same seed: a further seed must not repeat finished finals
            [ancient(f"{OUT}/ladder/{run}/metrics.json") for run in RUNGS if run.endswith(f"-seed{wildcards.seed}")]
            if wildcards.recipe in study.profile.finals
            else []
        ),
    output:
        **results("ladder/{recipe}-seed{seed}"),
    log:
        **logs("{recipe}-seed{seed}"),
    params:
        papermill=lambda wildcards: study.papermill(study.recipe(wildcards.recipe, wildcards.seed)),
    threads: THREADS
    resources:
        gpu=1,
    shell:
        RUN_NOTEBOOK


rule compare:
    input:
        "notebooks/06_compare_strategies.ipynb",
        expand(f"{OUT}/{{run}}/metrics.json", run=ARMS),
    output:
        **results("compare"),
    log:
        **logs("compare"),
    params:
        papermill=lambda _: study.papermill(study.once("compare")),
    threads: THREADS
    shell:
        RUN_NOTEBOOK


# Further reports on the finished runs: the paper's numbers one by one, and the labels and the images.
rule report:
    input:
        lambda wildcards: f"notebooks/{REPORTS[wildcards.report]}.ipynb",
        expand(f"{OUT}/{{run}}/metrics.json", run=ARMS),
    output:
        **results("{report}"),
    log:
        **logs("{report}"),
    params:
        papermill=lambda wildcards: study.papermill(study.once(wildcards.report)),
    threads: THREADS
    shell:
        RUN_NOTEBOOK


# Notebooks about the network that comes with the package, whatever this study trains.
rule packaged:
    input:
        lambda wildcards: f"notebooks/{PACKAGED[wildcards.packaged]}.ipynb",
    output:
        **results("{packaged}"),
    log:
        **logs("{packaged}"),
    params:
        papermill=lambda wildcards: study.papermill(study.once(wildcards.packaged)),
    threads: THREADS
    shell:
        RUN_NOTEBOOK
