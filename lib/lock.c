/* lock.c - locks with names, and threads with names.  See lock.h. */
#include "lib/lock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/mem.h"
#include "lib/witness.h"

static void must(int rc, const char *what, const char *name)
{
    if (rc != 0)
        die(1, "%s %s: %s", what, name, strerror(rc));
}

void lock_init(struct lock *l, const char *name)
{
    l->name = name;
    must(pthread_mutex_init(&l->m, NULL), "lock", name);
}

void lock_fini(struct lock *l)
{
    must(pthread_mutex_destroy(&l->m), "destroying lock", l->name);
}

void lock_get(struct lock *l)
{
    witness_take(l->name);
    must(pthread_mutex_lock(&l->m), "getting lock", l->name);
}

bool lock_try(struct lock *l)
{
    if (pthread_mutex_trylock(&l->m) != 0)
        return false;
    witness_take(l->name);
    return true;
}

void lock_put(struct lock *l)
{
    witness_drop(l->name);
    must(pthread_mutex_unlock(&l->m), "putting lock", l->name);
}

void cond_init(struct cond *c)
{
    pthread_condattr_t a;

    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    must(pthread_cond_init(&c->c, &a), "condition", "");
    pthread_condattr_destroy(&a);
}

void cond_fini(struct cond *c)
{
    must(pthread_cond_destroy(&c->c), "destroying condition", "");
}

void cond_wait(struct cond *c, struct lock *l)
{
    must(pthread_cond_wait(&c->c, &l->m), "waiting under", l->name);
}

int cond_wait_us(struct cond *c, struct lock *l, long us)
{
    struct timespec t;
    int rc;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += us / 1000000;
    t.tv_nsec += us % 1000000 * 1000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    rc = pthread_cond_timedwait(&c->c, &l->m, &t);
    if (rc == ETIMEDOUT)
        return 1;
    must(rc, "waiting under", l->name);
    return 0;
}

void cond_signal(struct cond *c)
{
    must(pthread_cond_signal(&c->c), "signal", "");
}

void cond_broadcast(struct cond *c)
{
    must(pthread_cond_broadcast(&c->c), "broadcast", "");
}

void rwlock_init(struct rwlock *l, const char *name)
{
    pthread_rwlockattr_t a;

    l->name = name;
    pthread_rwlockattr_init(&a);
    /* a stream of readers must not keep the writer out for ever */
    pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    must(pthread_rwlock_init(&l->l, &a), "rwlock", name);
    pthread_rwlockattr_destroy(&a);
}

void rwlock_fini(struct rwlock *l)
{
    must(pthread_rwlock_destroy(&l->l), "destroying rwlock", l->name);
}

void rwlock_read(struct rwlock *l)
{
    witness_take(l->name);
    must(pthread_rwlock_rdlock(&l->l), "reading under", l->name);
}

void rwlock_write(struct rwlock *l)
{
    witness_take(l->name);
    must(pthread_rwlock_wrlock(&l->l), "writing under", l->name);
}

void rwlock_put(struct rwlock *l)
{
    witness_drop(l->name);
    must(pthread_rwlock_unlock(&l->l), "putting rwlock", l->name);
}

struct start { char name[16]; void *(*run)(void *); void *arg; };

static void *begin(void *p)
{
    struct start s = *(struct start *)p;

    free(p);
    pthread_setname_np(pthread_self(), s.name);
    return s.run(s.arg);
}

bool thread_try(pthread_t *t, const char *name, void *(*run)(void *), void *arg)
{
    struct start *s = xcalloc(1, sizeof *s);
    sigset_t all, was;
    int rc;

    strncpy(s->name, name, sizeof s->name - 1);
    s->run = run;
    s->arg = arg;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);      /* signals are main's */
    rc = pthread_create(t, NULL, begin, s);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    if (rc != 0)
        free(s);
    errno = rc;
    return rc == 0;
}

void thread_start(pthread_t *t, const char *name, void *(*run)(void *), void *arg)
{
    if (!thread_try(t, name, run, arg))
        must(errno, "starting thread", name);
}
