/* table.h - rows of a table in tests/data, played on a session.
 *
 * Threads:  main alone.
 * Errors:   every row that comes out otherwise is told, and one whose code
 *           differs from INN's without a reason beside it; then the run ends.
 *
 * The first column names the case, the last one says why Freshet's answer is
 * not INN's (or, for a case of our own, where the rule comes from).  What is
 * wanted is written as what a script expects: "text", "text*", "~regex".
 *
 *   relay     case edits inn_ihave inn_takethis inn_remembered ihave takethis remembered why
 *             each article by IHAVE and by TAKETHIS; "remembered": is its id refused by CHECK then?
 *   post      case edits inn want why
 *   path      path inn_stored want why       ("refused", or the Path as it is stored)
 *   commands  command send inn inn_block want block why       (send empty: the command)
 *
 * Edits make the article from a good one, with " | " between them; $0 is a
 * word that is another one in each play, and the usual id is <$0@example.com>:
 *
 *   - Name           leave the field out            = Name: value    give it this value
 *   + line           one more header line           ~ text           this body
 *   no-blank         no blank line, no body         all text         this and the final dot
 *   named <id>       the command names this id      twice            the same was sent before
 *
 * A block is "line / line / ...", "..." at its end passing over the rest; "."
 * is one without lines.
 */
#ifndef TESTS_SESSION_TABLE_H
#define TESTS_SESSION_TABLE_H

#include "lib/span.h"

/* 'kind' is one of the words above; the session comes from 'address'. */
void table_play(struct span kind, struct span file, struct span address);

#endif
