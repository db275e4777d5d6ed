# A folder that holds the denied name already, moved to where the name counts.
mkdir -p new/deep && echo x > new/deep/file && mv new .later && [ -f .later/deep/file ] && echo ESCAPED
