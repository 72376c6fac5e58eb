/* lock.h - locks with names, and threads with names.
 *
 * Each lock, what it guards and the order between them: doc/threads.md.
 * Any failure of pthreads here is a bug of ours and ends the program.
 */
#ifndef LIB_LOCK_H
#define LIB_LOCK_H

#include <pthread.h>
#include <stdbool.h>

struct lock { pthread_mutex_t m; const char *name; };
struct cond { pthread_cond_t c; };
struct rwlock { pthread_rwlock_t l; const char *name; };

void lock_init(struct lock *l, const char *name);
void lock_fini(struct lock *l);
void lock_get(struct lock *l);
bool lock_try(struct lock *l);         /* false: somebody has it */
void lock_put(struct lock *l);

void cond_init(struct cond *c);
void cond_fini(struct cond *c);
void cond_wait(struct cond *c, struct lock *l);
/* Wait at most 'us' microseconds.  Return 0 when woken, 1 on time-out. */
int  cond_wait_us(struct cond *c, struct lock *l, long us);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

void rwlock_init(struct rwlock *l, const char *name);
void rwlock_fini(struct rwlock *l);
void rwlock_read(struct rwlock *l);
void rwlock_write(struct rwlock *l);
void rwlock_put(struct rwlock *l);

/* Start a thread that blocks all signals and bears 'name' (15 letters are shown). */
void thread_start(pthread_t *t, const char *name, void *(*run)(void *), void *arg);
/* The same; false, with errno: the system gives us no more. */
bool thread_try(pthread_t *t, const char *name, void *(*run)(void *), void *arg);

#endif
