# A denied name filled with something else.
rm -f .env; echo mine > .env && grep -q mine .env && echo ESCAPED
