# A second name for a denied file.
ln .env copy && grep -q SECRET copy && echo ESCAPED
