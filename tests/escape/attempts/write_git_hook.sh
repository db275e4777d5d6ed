# A hook that the host's git would run.
echo 'echo hi' > .git/hooks/pre-commit && echo ESCAPED
