# A denied file under another name.
mv .env other && grep -q SECRET other && echo ESCAPED
