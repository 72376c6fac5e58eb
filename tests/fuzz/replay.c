/* replay.c - runs a fuzz target over files and directories, without a fuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static size_t inputs;

static void replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(1 << 20);
    size_t n;

    if (f == NULL || data == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    n = fread(data, 1, 1 << 20, f);
    fclose(f);
    data = realloc(data, n > 0 ? n : 1);          /* so that a read beyond the end is seen */
    (void)LLVMFuzzerTestOneInput(data, n);
    free(data);
    inputs++;
}

static void replay(const char *path)
{
    struct stat st;
    struct dirent *d;
    DIR *dir;

    if (stat(path, &st) != 0)
        return;
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path);
        return;
    }
    if ((dir = opendir(path)) == NULL)
        return;
    while ((d = readdir(dir)) != NULL) {
        char below[4096];

        if (d->d_name[0] == '.')
            continue;
        snprintf(below, sizeof below, "%s/%s", path, d->d_name);
        replay(below);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    static const uint8_t nothing[1];

    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    (void)LLVMFuzzerTestOneInput(nothing, 0);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%zu inputs\n", inputs + 1);
    return 0;
}
