# A process that goes on after the run.
# late
setsid bash -c 'sleep 0.5; echo x > ESCAPED' > /dev/null 2>&1 &
