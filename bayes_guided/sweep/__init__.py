"""Many runs of one configuration: searched settings, workers, a store that survives kills. Needs the extra "sweep".

The command `bayes-guided sweep CONFIG.yaml` starts a sweep on local processes, and goes on with one that was killed. With
`--scheduler tcp://HOST:8786` it gives the trials to the workers of a Dask cluster instead, with the same results. Those must
have the same packages and see the same files under the same paths, and do one trial at a time, whatever threads they have:

    dask scheduler                                            # on one machine; it prints its address
    dask worker tcp://HOST:8786 --nthreads 1 --nworkers 4     # on each machine, one per trial at a time

On Slurm the cluster comes from dask-jobqueue (`pip install dask-jobqueue`), in a script that stays up while the sweep runs:

    from dask_jobqueue import SLURMCluster

    if __name__ == "__main__":
        cluster = SLURMCluster(queue="short", cores=1, processes=1, memory="4GB", walltime="04:00:00")
        cluster.scale(jobs=20)
        sweep = bayes_guided.sweep.load_sweep("sweep.yaml")
        bayes_guided.sweep.run_sweep(sweep, "sweeps/mine", scheduler=cluster.scheduler_address)

A job's `cores` are the sweep's `threads`. A job that ends in mid-trial loses that trial only, which the next job goes on with.
A trial's folder is a run's without its figures; `bayes-guided plot` draws those, and `sweep report` what it shows.
One process drives a sweep and is the only one that writes to its store; a store in PostgreSQL
(`storage: postgresql://USER@HOST/DATABASE`) can hold many sweeps that run at once and be read from anywhere.
"""

from .driver import SweepResult as SweepResult
from .driver import run_sweep as run_sweep
from .report import SweepReport as SweepReport
from .report import write_sweep_report as write_sweep_report
from .settings import Sweep as Sweep
from .settings import SweepConfig as SweepConfig
from .settings import load_sweep as load_sweep
from .store import Store as Store
from .store import Trial as Trial
from .store import open_store as open_store
from .store import read_sweep as read_sweep
from .table import front_table as front_table
from .table import importance_table as importance_table
from .table import progress_table as progress_table
from .table import trials_table as trials_table
