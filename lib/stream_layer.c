/* stream_layer.c - layers between a stream and its socket: TLS, DEFLATE.
 *
 *     stream ── [layer] ── [layer] ── socket        s->carrier is the topmost
 *
 * A layer may keep bytes that the carrier below does not take; at the turn's
 * end the stream asks all of them, from the top, to hand on what they keep.
 */
#include "lib/stream_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

void stream_layer(struct stream *s, stream_wrap_fn *wrap, void *arg)
{
    struct layer *l = xcalloc(1, sizeof *l);

    need(!s->shaking);
    stream_flush(s);                   /* what was written before the layer leaves without it */
    if (s->out_len > 0)
        stream_fail(s, "the other end does not read, so no layer can begin");
    stream_want_turn(s);               /* that it has left is still to be told */
    s->carrier = wrap(s->carrier, s->io, &s->io, arg);
    *l = (struct layer){ .below = s->layers, .io = s->io, .carrier = s->carrier, .held = stream_held(s) };
    s->layers = l;
    if (s->io->rest != NULL) {
        s->rests = true;
        stream_arm_timer(s);
    }
    buf_fini(&s->in);                  /* what came before the layer must not be taken for inside it */
    stream_set_reading(s);
    if (s->reading)
        event_active(&s->rd, EV_READ, 1);
}

void stream_shake(struct stream *s, int64_t most_us)
{
    need(s->layers != NULL);
    s->shaking = true;
    s->layers->shake_until_us = clock_mono_us() + most_us;
    stream_arm_timer(s);
}

void stream_secured(struct stream *s)
{
    need(s->shaking);
    s->shaking = false;
    s->secure_due = true;
    stream_want_turn(s);
}

void *stream_layer_of(const struct stream *s, const struct stream_io *io)
{
    for (const struct layer *l = s->layers; l != NULL; l = l->below)
        if (l->io == io)
            return l->carrier;
    return NULL;
}

const char *stream_why(const struct stream *s)
{
    const char *why = NULL, *system = strerror(errno);

    for (const struct layer *l = s->layers; l != NULL && why == NULL; l = l->below)
        if (l->io->why != NULL)
            why = l->io->why(l->carrier);
    return why != NULL ? why : system;
}

/* The end is said by a layer when all above it have handed on all of theirs. */
bool stream_flush_layers(struct stream *s, bool end)
{
    size_t was = s->layers->held, *held = &s->layers->held;

    *held = 0;
    for (struct layer *l = s->layers; l != NULL; l = l->below) {
        long kept = l->io->flush != NULL ? l->io->flush(l->carrier, end && *held == 0) : 0;

        if (kept < 0)
            return false;
        *held += (size_t)kept;
    }
    if (*held < was)
        stream_moved(s);
    return true;
}

void stream_rest_layers(struct stream *s)
{
    for (struct layer *l = s->layers; l != NULL; l = l->below)
        if (l->io->rest != NULL)
            l->io->rest(l->carrier);
}

/* The carriers have gone already: each frees the one below. */
void stream_free_layers(struct stream *s)
{
    struct layer *l;

    while ((l = s->layers) != NULL) {
        s->layers = l->below;
        free(l);
    }
}
