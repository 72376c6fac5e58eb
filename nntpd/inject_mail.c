/* inject_mail.c - a post that a moderator has to see first (RFC 5537 3.5.1).
 *
 * It goes to the moderator of the first moderated group, as a mail that is the
 * proto-article itself (the form that moderators' programs have always read):
 *
 *     To                   the moderator
 *     what was given       but for Path; fields that mean something to mail systems
 *                          get X-Original- in front
 *     Message-ID, Date     when absent
 *     Cancel-Lock          as for any post, so that its author can cancel it later
 *
 * Nothing of it is stored or remembered here.  When the mail system does not
 * take it, the poster hears so and still has it.
 */
#include <string.h>

#include "article/wire.h"
#include "lib/log.h"
#include "nntpd/letters.h"
#include "nntpd/stages.h"

/* Fields that a mail system might act upon. */
static bool for_mail(struct span name)
{
    static const char *const names[] = { "To", "Cc", "Bcc", "Return-Path", "Delivered-To", "Errors-To", "Return-Receipt-To",
                                         "Disposition-Notification-To" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (span_ieq(name, span_of(names[i])))
            return true;
    return span_istarts(name, SPAN("Resent-"));
}

void inject_given_for_mail(struct intake *in, const struct hdr_field *f)
{
    if (for_mail(f->name))
        buf_puts(&in->made, "X-Original-");
    buf_add_span(&in->made, f->whole);
}

static void write_letter(struct intake *in, struct buf *out)
{
    struct buf wire = { 0 };

    buf_printf(out, "To: %.*s\n", SPAN_F(buf_span(&in->moderator)));
    buf_add_span(&wire, in->head);
    buf_add_span(&wire, span_from(in->block, in->facts.body - 2));
    wire_to_text(out, buf_span(&wire));
    buf_fini(&wire);
}

/* On the lane of letters. */
static void send_letter(struct job *j)
{
    struct intake *in = (struct intake *)(void *)j;
    struct buf letter = { 0 };

    write_letter(in, &letter);
    buf_add(&in->moderator, "", 1);
    in->mail_rc = letters_send(in->letters, in->rules->site, buf_data(&in->moderator), buf_span(&letter), &in->look_err);
    buf_fini(&letter);
}

static void on_sent(struct mail *m)
{
    intake_resume((struct intake *)(void *)m);
}

static enum verdict sent(struct intake *in)
{
    if (in->mail_rc != 0) {
        log_msg(LOG_ERROR, "mail to the moderator of %.*s, %s: %s", SPAN_F(in->moderated), buf_data(&in->moderator), in->look_err.text);
        return intake_say(in, V_P_MAIL, span_of(in->look_err.text));
    }
    log_msg(LOG_INFO, "%s: %.*s: mailed to %s", in->source, SPAN_F(in->msgid), buf_data(&in->moderator));
    return intake_say(in, V_P_MAILED, in->moderated);
}

enum verdict stage_p_mail(struct intake *in)
{
    if (in->moderated.n == 0)
        return GO_ON;
    if (in->mailed)
        return sent(in);
    if (lane_load(letters_lane(in->letters)) >= LETTERS_MOST)
        return intake_say(in, V_LATER, SPAN("too many posts are being mailed"));
    in->mailed = true;
    in->job.run = send_letter;
    in->job.home = in->home;
    in->job.mail.deliver = on_sent;
    lane_send(letters_lane(in->letters), &in->job);
    return AWAY;
}

/* Can it be mailed?  Else the poster hears at once that it cannot. */
enum verdict inject_find_moderator(struct intake *in)
{
    if (in->moderated.n == 0)
        return GO_ON;
    if (in->letters == NULL || !letters_address(in->rules->site, in->moderated, &in->moderator))
        return intake_say(in, V_P_MODERATED, in->moderated);
    return GO_ON;
}
