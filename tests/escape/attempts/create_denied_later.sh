# A denied name that does not exist yet.
mkdir -p .later/deep && echo x > .later/deep/file && echo ESCAPED
