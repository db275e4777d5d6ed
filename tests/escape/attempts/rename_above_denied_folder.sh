# The folder above a denied one renamed away, another in its place.
mv .git old && mkdir -p .git/hooks && echo x > .git/hooks/new && echo ESCAPED
