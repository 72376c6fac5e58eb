/* conn_hello.c - a connection from its first octet to its first article: what
 * hello.c says is done here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeder/conn.h"
#include "feeder/dial.h"
#include "lib/deflate.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/tls.h"

static bool begin_tls(struct conn *c)
{
    struct err e;
    bool begun = dial_tls(c->peer->f, c->peer->conf, c->stream, &e) == 0;

    if (!begun)
        conn_close(c, e.text, true);
    return begun;
}

static void ready(struct conn *c, enum conn_state state)
{
    struct tls_facts f;

    c->state = state;
    c->was_ready = true;
    c->peer->dead_us = 0;
    if (c->peer->n_conns > 1)
        c->peer->more_wait_us = 0;
    tls_facts(c->stream, &f);
    log_msg(LOG_NOTICE, "%s: connected to %s, %s%s%s%s", c->peer->name, c->address,
            state == CONN_STREAM ? "streaming" : state == CONN_IHAVE ? "IHAVE" : "POST", f.on ? ", " : "", f.on ? f.protocol : "",
            deflate_on(c->stream) ? ", compressed" : "");
}

static bool act(struct conn *c, enum hello_do what, struct buf *out, const char *line)
{
    switch (what) {
    case HELLO_SAY:
        stream_write(c->stream, buf_data(out), buf_len(out));
        return true;
    case HELLO_TLS:
        return begin_tls(c);
    case HELLO_DEFLATE:
        deflate_granted(c->stream);
        buf_clear(out);
        return act(c, hello_goes_on(&c->hello, out), out, line);
    case HELLO_STREAMING:
        ready(c, CONN_STREAM);
        return true;
    case HELLO_IHAVE:
        ready(c, CONN_IHAVE);
        return true;
    case HELLO_READS:
        ready(c, CONN_POST);
        return true;
    case HELLO_REFUSED:
        conn_close(c, line, true);
        return false;
    case HELLO_CLEARTEXT:
        conn_close(c, "our password does not go out without TLS (cleartext-login = true allows it)", true);
        return false;
    }
    bug("a step of the greeting");
}

/* A reload may have put the same words elsewhere; a change of them ends the connection. */
static struct hello_wants wants_of(const struct conn *c)
{
    return dial_wants(c->peer->conf, c->peer->conf->pull_post);
}

bool conn_connected(struct conn *c)
{
    struct hello_wants wants = wants_of(c);

    hello_begin(&c->hello, &wants);
    c->state = CONN_HELLO;
    return !wants.encrypted || begin_tls(c);
}

bool conn_secured(struct conn *c)
{
    struct buf out = { 0 };
    bool stands = true;

    c->hello.wants = wants_of(c);
    if (c->hello.step == HELLO_STARTTLS)         /* else the banner comes now */
        stands = act(c, hello_goes_on(&c->hello, &out), &out, "");
    buf_fini(&out);
    return stands;
}

bool conn_greeting(struct conn *c, int code, const char *line)
{
    struct buf out = { 0 };
    bool stands;

    c->hello.wants = wants_of(c);
    stands = act(c, hello_reply(&c->hello, code, &out), &out, line);

    if (buf_len(&out) > 0)
        memset(buf_data(&out), 0, buf_len(&out));           /* it may have held a password */
    buf_fini(&out);
    return stands;
}
