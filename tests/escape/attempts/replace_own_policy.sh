# The policy of the next run, by rename.
echo wide > t && mv -f t weft.toml && echo ESCAPED
