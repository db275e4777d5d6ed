# The file systems of the host in the list of mounts, the old root among them.
grep -qE " - (sysfs|cgroup|cgroup2) |^[^ ]+ [^ ]+ [^ ]+ / / " /proc/self/mountinfo && echo ESCAPED
