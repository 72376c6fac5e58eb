/* own.c - from root to the owner of a directory.  See own.h. */
#include "lib/own.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of what root may, the one thing that a news server needs. */
static int keep_low_ports(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { 0 } };

    data[0].permitted = data[0].effective = 1u << CAP_NET_BIND_SERVICE;
    return (int)syscall(SYS_capset, &head, data);
}

static int become(uid_t uid, gid_t gid, bool low_ports)
{
    struct passwd *pw = getpwuid(uid);

    if (pw != NULL)
        gid = pw->pw_gid;
    if ((pw != NULL ? initgroups(pw->pw_name, gid) : setgroups(0, NULL)) != 0)
        return -1;
    if (setresgid(gid, gid, gid) != 0 || prctl(PR_SET_KEEPCAPS, low_ports ? 1L : 0L, 0L, 0L, 0L) != 0 ||
        setresuid(uid, uid, uid) != 0)
        return -1;
    (void)prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L);          /* a crash is still to be looked into */
    if (!low_ports)
        return 0;
    /* in a container root may lack even this right; then the ports tell */
    if (keep_low_ports() != 0 && errno != EPERM)
        return -1;
    return prctl(PR_SET_KEEPCAPS, 0L, 0L, 0L, 0L);
}

int own_become(const char *dir, bool low_ports, struct err *e)
{
    struct stat st;

    if (geteuid() != 0)
        return 0;
    if (stat(dir, &st) != 0)
        return errno == ENOENT ? 0 : err_sys(e, "%s", dir);
    if (st.st_uid == 0)
        return 0;
    if (become(st.st_uid, st.st_gid, low_ports) != 0)
        return err_sys(e, "%s belongs to user %u; cannot become that user", dir, (unsigned)st.st_uid);
    return 0;
}

const char *own_name(const char *path, char text[64])
{
    struct passwd *pw;
    struct stat st;

    if (stat(path, &st) != 0)
        snprintf(text, 64, "?");
    else if ((pw = getpwuid(st.st_uid)) != NULL)
        snprintf(text, 64, "%s", pw->pw_name);
    else
        snprintf(text, 64, "%u", (unsigned)st.st_uid);
    return text;
}
