/* conf.c - any text as a configuration: a struct, or errors; and what is shown reads back. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf errors = { 0 }, shown = { 0 }, again = { 0 };
    char *text = xstrndup((const char *)data, size);
    struct conf *c, *d;

    if (strlen(text) != size) {
        free(text);
        return 0;
    }
    if ((c = conf_read_text("/fuzz.conf", text, &errors)) == NULL) {
        need(buf_len(&errors) > 0);
        need(strncmp(buf_data(&errors), "/fuzz.conf:", 11) == 0 && buf_data(&errors)[buf_len(&errors) - 1] == '\n');
        for (size_t i = 0; i < buf_len(&errors); i++)
            need((unsigned char)buf_data(&errors)[i] >= ' ' || buf_data(&errors)[i] == '\n');
        buf_clear(&errors);
    } else {
        need(buf_len(&errors) == 0);
        conf_show(c, &shown);
        buf_add(&shown, "", 1);
        d = conf_read_text("/fuzz.conf", buf_data(&shown), &errors);
        if (d == NULL)
            fprintf(stderr, "%s%.*s", buf_data(&shown), SPAN_F(buf_span(&errors)));
        need(d != NULL);
        conf_show(d, &again);
        buf_add(&again, "", 1);
        need(strcmp(buf_data(&shown), buf_data(&again)) == 0);
        conf_free(&d);
    }
    conf_free(&c);
    /* no reading leaves anything behind for the next */
    need((c = conf_read_text("/good.conf", "site a {}\nlisten \"*:119\" {}\n", &errors)) != NULL);
    need(buf_len(&errors) == 0 && strcmp(c->site.name, "a") == 0);
    conf_free(&c);
    buf_fini(&errors);
    buf_fini(&shown);
    buf_fini(&again);
    free(text);
    return 0;
}
