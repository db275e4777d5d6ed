# A denied file in the writable workspace.
grep -q SECRET .env && echo ESCAPED
