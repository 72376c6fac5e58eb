/* stdfds.c - standard input, output and error are there.  See stdfds.h. */
#include "lib/stdfds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void stdfds_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            _exit(1);                        /* there is nobody whom one could tell */
}
