/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Feeds each file named on the command line to a fuzz target: the corpus as a regression test. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    size_t cap = 2u << 20;
    uint8_t *data = malloc(cap);
    size_t n = data ? fread(data, 1, cap, f) : 0;
    fclose(f);
    if (data)
        (void)LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("%sok %d - %s\n", replay(argv[i]) < 0 ? "not " : "", i, argv[i]);
    printf("1..%d\n", argc - 1);
    return 0;
}
