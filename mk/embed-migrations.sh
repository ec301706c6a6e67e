#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints a C file with the numbered migrations of the schema folders given as `const struct migration service_migrations[]`.
set -eu
files=
for d in "$@"; do
    files="$files $(ls "$d"/*.sql)"
done
echo '#include "common/db/migrate.h"'
n=0
for f in $files; do
    printf '__asm__(".section .rodata\\nmigration_%d:\\n.incbin \\"%s\\"\\n.byte 0\\n.previous\\n");\n' $n "$f"
    printf 'extern const char migration_%d[];\n' $n
    n=$((n + 1))
done
echo 'const struct migration service_migrations[] = {'
n=0
for f in $files; do
    b=$(basename "$f" .sql)
    printf '    {%d, "%s", migration_%d},\n' "$(echo "${b%%_*}" | sed 's/^0*//')" "$b" $n
    n=$((n + 1))
done
echo '    {0, 0, 0},'
echo '};'
