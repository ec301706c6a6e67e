#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Rules of the house that a tool can decide: sizes, who may include whom, where SQL drivers and libvirt are spoken.
set -eu
bad=0
sources=$(git ls-files --cached --others --exclude-standard '*.c' '*.h')

say() {
    if [ -n "$2" ]; then
        printf '%s:\n%s\n' "$1" "$2"
        bad=1
    fi
}

say "files over 600 lines" "$(git ls-files --cached --others --exclude-standard '*.c' '*.h' '*.py' '*.sh' |
    while read -r f; do [ -f "$f" ] && awk -v f="$f" 'END { if (NR > 600) print "  " f ": " NR }' "$f"; done)"
# The layout puts a function's braces alone in column 0.
say "functions over 60 lines" "$(for f in $sources; do [ -f "$f" ] && awk -v f="$f" '/^\{/ { start = NR } /^\}/ { if (start && NR - start > 61) print "  " f ":" start ": " NR - start - 1; start = 0 }' "$f"; done)"
say "files without a licence line" "$(for f in $sources; do [ -f "$f" ] && { head -2 "$f" | grep -q SPDX-License-Identifier || echo "  $f"; }; done)"
say "common/ knows no service" "$(grep -nE '#include "services/' common/*/*.[ch] || true)"
for service in identity image billing network compute; do
    say "services/$service includes another service" \
        "$(grep -rnE '#include "services/' "services/$service" --include='*.[ch]' | grep -v "#include \"services/$service/" || true)"
done
say "libpq outside common/db" "$(grep -lE '#include <libpq' $sources | grep -v '^common/db/' || true)"
say "libvirt outside the hypervisor agent" "$(grep -lE '#include <libvirt' $sources | grep -v '^services/compute/hypervisor/' || true)"
say "the hypervisor agent speaks to no database" "$(grep -nE '#include "common/db/' services/compute/hypervisor/*.[ch] || true)"
say "libmicrohttpd outside common/http" "$(grep -lE '#include <microhttpd' $sources | grep -vE '^(common/http|services/compute/hypervisor)/' || true)"
exit $bad
