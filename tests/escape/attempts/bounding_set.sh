# The set that bounds what an exec could gain. Emptying it takes a privilege that a plain user has in a user namespace only; without,
# no_new_privs has to be there, with nothing that could be passed on.
grep -q 'CapBnd:.0000000000000000' /proc/self/status && exit
[ "$ESC_LEVEL" = fallback ] && [ "$(id -u)" != 0 ] && grep -q 'NoNewPrivs:.1' /proc/self/status && grep -q 'CapPrm:.0000000000000000' /proc/self/status || echo ESCAPED
