/* hello.c - see hello.h.  'step' is what was said last; what comes next is the
 * first step behind it that is wanted. */
#include "feeder/hello.h"

#include <string.h>

#include "lib/base64.h"

void hello_begin(struct hello *h, const struct hello_wants *wants)
{
    *h = (struct hello){ .wants = *wants, .step = HELLO_BANNER, .secure = wants->encrypted };
}

static enum hello_do say(struct hello *h, enum hello_step step, struct buf *out, const char *line)
{
    h->step = step;
    buf_puts(out, line);
    buf_puts(out, "\r\n");
    return HELLO_SAY;
}

/* Initial response of SASL PLAIN: nobody, user, password (RFC 4616). */
static enum hello_do say_sasl(struct hello *h, struct buf *out)
{
    struct buf plain = { 0 };

    buf_add(&plain, "", 1);
    buf_puts(&plain, h->wants.user);
    buf_add(&plain, "", 1);
    buf_puts(&plain, h->wants.password);
    buf_puts(out, "AUTHINFO SASL PLAIN ");
    base64_write(out, buf_span(&plain));
    memset(buf_data(&plain), 0, buf_len(&plain));
    buf_fini(&plain);
    return say(h, HELLO_SASL, out, "");
}

static enum hello_do say_user(struct hello *h, struct buf *out)
{
    buf_puts(out, "AUTHINFO USER ");
    return say(h, HELLO_USER, out, h->wants.user);
}

static enum hello_do behind(struct hello *h, enum hello_step done, struct buf *out)
{
    const struct hello_wants *w = &h->wants;

    if (done < HELLO_READER && w->reader)
        return say(h, HELLO_READER, out, "MODE READER");
    if (done < HELLO_STARTTLS && w->starttls && !h->secure)
        return say(h, HELLO_STARTTLS, out, "STARTTLS");
    if (done < HELLO_SASL && w->user != NULL && !h->secure && !w->cleartext)
        return HELLO_CLEARTEXT;
    if (done < HELLO_SASL && w->user != NULL)
        return h->secure ? say_sasl(h, out) : say_user(h, out);
    if (done < HELLO_COMPRESS && w->compress)
        return say(h, HELLO_COMPRESS, out, "COMPRESS DEFLATE");
    if (done < HELLO_STREAM && w->streaming && !w->reader)
        return say(h, HELLO_STREAM, out, "MODE STREAM");
    h->step = HELLO_END;
    return w->reader ? HELLO_READS : HELLO_IHAVE;
}

static enum hello_do on_login(struct hello *h, int code, struct buf *out)
{
    if (code == 281)
        return behind(h, HELLO_PASS, out);
    /* a peer that does not know SASL or this mechanism may know the older way */
    if (h->step == HELLO_SASL && (code == 500 || code == 501 || code == 502 || code == 503))
        return say_user(h, out);
    if (h->step == HELLO_USER && code == 381) {
        buf_puts(out, "AUTHINFO PASS ");
        return say(h, HELLO_PASS, out, h->wants.password);
    }
    return HELLO_REFUSED;
}

enum hello_do hello_reply(struct hello *h, int code, struct buf *out)
{
    switch (h->step) {
    case HELLO_BANNER:
        return code == 200 || code == 201 ? behind(h, HELLO_BANNER, out) : HELLO_REFUSED;
    case HELLO_READER:
        return code == 400 || code == 502 ? HELLO_REFUSED : behind(h, HELLO_READER, out);    /* 502: it hangs up */
    case HELLO_STARTTLS:
        return code == 382 ? HELLO_TLS : HELLO_REFUSED;
    case HELLO_SASL:
    case HELLO_USER:
    case HELLO_PASS:
        return on_login(h, code, out);
    case HELLO_COMPRESS:
        return code == 206 ? HELLO_DEFLATE : behind(h, HELLO_COMPRESS, out);
    case HELLO_STREAM:
        h->step = HELLO_END;
        return code == 203 ? HELLO_STREAMING : HELLO_IHAVE;
    case HELLO_END:
        break;
    }
    return HELLO_REFUSED;
}

enum hello_do hello_goes_on(struct hello *h, struct buf *out)
{
    h->secure |= h->step == HELLO_STARTTLS;
    return behind(h, h->step, out);
}
