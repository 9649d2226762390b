// Does what a filter must not do: the Subject of the message says which. For the tests of the sandbox.

#include "support.h"

#include <stdlib.h>
#include <string.h>

static char subject[64];

static bool is(const char *act) { return strcmp(subject, act) == 0; }

static void read_subject(exports_message_borrow_message_t message) {
    mailweir_string_t name = {(uint8_t *)"Subject", 7};
    mailweir_list_string_t names = {&name, 1};
    mail_list_field_t fields;
    mail_method_message_fields(message, &names, &fields);
    if (fields.len == 1 && fields.ptr[0].value.len < sizeof subject)
        memcpy(subject, fields.ptr[0].value.ptr + 1, fields.ptr[0].value.len - 1);
}

bool exports_configuration_configure(mailweir_string_t *config, mistakes *found) {
    (void)config;
    *found = (mistakes){0};
    return true;
}

static volatile int depth;

__attribute__((noinline)) static int recurse(int n) {
    volatile char frame[256];
    frame[0] = (char)n;
    depth = n;
    return depth >= 0 ? recurse(n + 1) + frame[0] : 0;
}

static void many_edits(exports_message_outcome_t *answer, size_t count) {
    answer->edits.ptr = calloc(count, sizeof *answer->edits.ptr);
    if (!answer->edits.ptr)
        __builtin_trap();
    answer->edits.len = count;
    for (size_t i = 0; i < count; i++)
        answer->edits.ptr[i].change.tag = EXPORTS_MESSAGE_CHANGE_REMOVE_FIELD;
}

static void inject(exports_message_outcome_t *answer) {
    many_edits(answer, 1);
    exports_message_change_t *change = &answer->edits.ptr[0].change;
    change->tag = EXPORTS_MESSAGE_CHANGE_INSERT_FIELD;
    change->val.insert_field.f1.name = copy("X-Evil");
    mailweir_string_t value = copy(" x\r\nBcc: everybody@example.com");
    change->val.insert_field.f1.value = (mailweir_list_u8_t){value.ptr, value.len};
}

bool exports_message_filter(exports_message_borrow_message_t message, exports_message_outcome_t *answer,
                            mailweir_string_t *failure) {
    (void)failure;
    *answer = (exports_message_outcome_t){.verdict.tag = TYPES_VERDICT_NEXT};
    read_subject(message);
    if (is("trap"))
        __builtin_trap();
    if (is("spin"))
        for (;;)
            depth++;
    if (is("memory"))
        for (;;) {
            volatile char *eaten = malloc(1 << 20);
            if (!eaten)
                __builtin_trap();
            eaten[0] = 1;
        }
    if (is("recurse"))
        depth = recurse(0);
    if (is("edits"))
        many_edits(answer, 10000000);
    if (is("some-edits"))
        many_edits(answer, 20000);
    if (is("range")) {
        many_edits(answer, 1);
        answer->edits.ptr[0].change.val.remove_field = 1000000;
    }
    if (is("inject"))
        inject(answer);
    if (is("log"))
        for (int i = 0; i < 100000; i++) {
            mailweir_string_t line = {(uint8_t *)"a line", 6};
            log_write(LOG_LEVEL_INFO, &line);
        }
    if (is("calls"))
        for (;;)
            mail_method_message_size(message);
    return true;
}
