#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints a C file with the numbered migrations of a schema folder as `const struct migration service_migrations[]`.
set -eu
echo '#include "common/db/migrate.h"'
n=0
for f in ${1:+"$1"/*.sql}; do
    printf '__asm__(".section .rodata\\nmigration_%d:\\n.incbin \\"%s\\"\\n.byte 0\\n.previous\\n");\n' $n "$f"
    printf 'extern const char migration_%d[];\n' $n
    n=$((n + 1))
done
echo 'const struct migration service_migrations[] = {'
n=0
for f in ${1:+"$1"/*.sql}; do
    b=$(basename "$f" .sql)
    printf '    {%d, "%s", migration_%d},\n' "$(echo "${b%%_*}" | sed 's/^0*//')" "$b" $n
    n=$((n + 1))
done
echo '    {0, 0, 0},'
echo '};'
