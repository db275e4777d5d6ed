# The policy of the next run, in the workspace.
echo '# wide' >> weft.toml && echo ESCAPED
