# A program copied to shared memory.
cp /usr/bin/true /dev/shm/weft-mine-$$ && /dev/shm/weft-mine-$$ && echo ESCAPED; rm -f /dev/shm/weft-mine-$$
