"""eventdb beside its peers: the same questions, the same rows, one run.

`python -m benchmarks` prints a table of medians and ratios; `--json FILE` keeps every sample. One file a question under `questions/`;
`engines.py` says how each database is opened and filled; `measure.py` how fairness is kept:

* Engines take turns inside every round, in rotating order, so that a slow minute of the machine hits all of them.
* Each reading question gets one untimed round first, so that caches are warm for all; what a cold start costs has questions of its own.
* The garbage collector stays on, as it is for a user, and runs once before each sample, so that no engine pays for another's garbage.
* Every question also gives an answer, outside the timed part, and a run in which two engines differ ends with an error.
"""
