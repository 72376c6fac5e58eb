/* header.h - an index over the headers of an article; nothing is copied.
 *
 * Threads:  pure.  Memory: spans point into the article; the index is a value.
 * Standard: RFC 5536 2.2, 3; order of faults as INN has it (section 2.2, 2.3).
 */
#ifndef ARTICLE_HEADER_H
#define ARTICLE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/span.h"

/* The fields that news knows by name; HDR_OTHER for the rest. */
enum hdr {
    HDR_DATE, HDR_FROM, HDR_MESSAGE_ID, HDR_NEWSGROUPS, HDR_PATH, HDR_SUBJECT,   /* mandatory, in INN's order */
    HDR_APPROVED, HDR_ARCHIVE, HDR_BYTES, HDR_CANCEL_KEY, HDR_CANCEL_LOCK, HDR_CONTROL,
    HDR_DISTRIBUTION, HDR_EXPIRES, HDR_FOLLOWUP_TO, HDR_INJECTION_DATE, HDR_INJECTION_INFO,
    HDR_KEYWORDS, HDR_LINES, HDR_ORGANIZATION, HDR_REFERENCES, HDR_REPLY_TO, HDR_SENDER,
    HDR_SUMMARY, HDR_SUPERSEDES, HDR_USER_AGENT, HDR_XREF,
    /* obsolete ones that a posting agent must not send (RFC 5536 3.3, INN's list) */
    HDR_ALSO_CONTROL, HDR_ARTICLE_NAMES, HDR_ARTICLE_UPDATES, HDR_DATE_RECEIVED, HDR_NNTP_POSTING_DATE,
    HDR_NNTP_POSTING_HOST, HDR_POSTED, HDR_POSTING_VERSION, HDR_RECEIVED, HDR_RELAY_VERSION,
    HDR_SEE_ALSO, HDR_X_TRACE, HDR_X_COMPLAINTS_TO,
    HDR_KNOWN,
    HDR_OTHER = HDR_KNOWN
};
#define HDR_MANDATORY 6

struct hdr_field {
    struct span whole;    /* the lines with their CRLFs                                    */
    struct span name;     /* without the colon                                             */
    struct span body;     /* after the colon and one blank (RFC 3977 8.5.2), to before the
                             last CRLF; folds kept                                       */
};

struct headers {
    struct hdr_field field[HDR_KNOWN];  /* the first of each; whole.p NULL: absent         */
    unsigned char    count[HDR_KNOWN];  /* how often (saturates at 255)                    */
    struct span      all;               /* the header lines, without the blank line        */
};

enum hdr_fault {
    HDR_OK,
    HDR_NO_COLON,         /* a line without a colon followed by a blank or tab             */
    HDR_BLANK_NAME,       /* a blank before the colon                                      */
    HDR_STARTS_FOLDED     /* the first line is a continuation                              */
};

/* Index the header lines of 'head' (from the start to the blank line, which is
 * not part of it).  On a fault *where is the line that is wrong (cut to 60 octets). */
enum hdr_fault headers_read(struct headers *h, struct span head, struct span *where);

/* Step through all fields in order: start with *at = 0. */
bool headers_next(struct span head, size_t *at, struct hdr_field *f);

const char *hdr_name(enum hdr h);                     /* as RFC 5536 spells it             */
enum hdr    hdr_of(struct span name);                 /* case-blind; HDR_OTHER: unknown    */

/* A field whose body holds nothing but blanks and folds counts as absent for the mandatory ones. */
bool hdr_has(const struct headers *h, enum hdr which);
struct span hdr_body(const struct headers *h, enum hdr which);   /* trimmed; p NULL: absent */

/* Unfold: CRLFs go; TAB, NUL and a lone CR or LF become a blank, other octets
 * stay: the form of overview fields and HDR replies (RFC 3977 8.3.2, 8.5.2). */
void hdr_unfold(struct buf *out, struct span body);

/* Syntax as a poster must keep it (cases: header.tsv): printable or UTF-8, folds with text in each line. */
bool hdr_name_valid(struct span name);
bool hdr_body_valid(struct span body);

/* The words without comments and folding, a blank between two; quoted strings
 * but for folds as they are (RFC 5322 3.2.2, 3.2.4).  What is never closed goes to the end. */
void hdr_skip_cfws(struct buf *out, struct span body);

#endif
