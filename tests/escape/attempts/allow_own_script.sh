# A script in the workspace whose interpreter is allowed.
# policy: allow
printf '#!/bin/bash\necho ESCAPED\n' > mine && python3 -c 'import os; os.chmod("mine", 0o755)' && ./mine
