# A symlink where a folder above the denied name would be.
mkdir -p new/deep && echo x > new/deep/file && ln -s new .later && [ -f .later/deep/file ] && echo ESCAPED
