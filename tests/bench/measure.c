/* SPDX-License-Identifier: MIT */
/* Runs a command and writes one line `wall_s user_s sys_s peak_kib first_line_ms status` to FILE.
 * With -1 it stands between the command and stdout and times the first line. A small program of
 * its own, because Linux counts the peak memory of whoever forks as the child's.
 *
 * usage: measure [-1] FILE COMMAND [ARGUMENT...] */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Passes the command's output on; returns when its first line was complete, 0: never. */
static double pass(int from)
{
    static char buffer[1 << 16];
    double first = 0;
    ssize_t n;

    while ((n = read(from, buffer, sizeof(buffer))) > 0) {
        if (first == 0 && memchr(buffer, '\n', (size_t)n))
            first = now_s();
        if (write(STDOUT_FILENO, buffer, (size_t)n) != n)
            break;
    }
    return first;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    bool first_line = argc > 1 && !strcmp(argv[1], "-1");
    char **args = argv + 1 + first_line;
    int ends[2], status = 0;
    double start, first = 0;
    struct rusage use;
    FILE *to;
    pid_t child;

    if (argc < 3 + first_line || pipe(ends) < 0 || !(to = fopen(args[0], "we"))) {
        fputs("usage: measure [-1] FILE COMMAND [ARGUMENT...]\n", stderr);
        return 64;
    }
    start = now_s();
    child = fork();
    if (child == 0) {
        if (first_line)
            dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(args[1], args + 1);
        perror(args[1]);
        _exit(127);
    }
    close(ends[1]);
    if (first_line)
        first = pass(ends[0]);
    if (child < 0 || wait4(child, &status, 0, &use) < 0)
        return 71;
    fprintf(to, "%.6f %.6f %.6f %ld %.3f %d\n", now_s() - start, seconds(use.ru_utime),
        seconds(use.ru_stime), use.ru_maxrss, first > 0 ? (first - start) * 1000 : -1.0,
        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    fclose(to);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
