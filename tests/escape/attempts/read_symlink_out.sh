# A symlink that was in the workspace before the run.
grep -q SECRET link-out/file && echo ESCAPED
