# The folder above a denied name that does not exist yet.
mkdir -p .later; mv .later away && mkdir -p .later/deep && echo x > .later/deep/file && echo ESCAPED
