// Marks messages that come from outside: a text before the Subject, and a field of its own.

#include "support.h"

#include <stdlib.h>
#include <string.h>

// The stage's `config`. What `configure` leaves here is what every message finds.
static buffer text;
static buffer *domains;
static size_t domain_count;

static bool printable(const buffer *octets) {
    for (size_t i = 0; i < octets->len; i++)
        if (octets->ptr[i] < ' ' || octets->ptr[i] > '~')
            return false;
    return octets->len > 0;
}

static void read_domains(json *reader, mistakes *found) {
    if (!json_list(reader)) {
        mistake(found, "domains", "this must be a list of strings");
        return;
    }
    while (json_element(reader)) {
        buffer domain = {0};
        if (!json_string(reader, &domain)) {
            mistake(found, "domains", "this must be a list of strings");
            return;
        }
        domains = realloc(domains, (domain_count + 1) * sizeof *domains);
        if (!domains)
            __builtin_trap();
        domains[domain_count++] = domain;
    }
}

bool exports_configuration_configure(mailweir_string_t *config, mistakes *found) {
    *found = (mistakes){0};
    append_text(&text, "[EXTERNAL]");
    buffer key = {0};
    for (json reader = json_begin(config); json_key(&reader, &key);) {
        if (strcmp(key.ptr, "text") == 0) {
            if (!json_string(&reader, &text) || !printable(&text))
                mistake(found, "text", "it must be printable US-ASCII and not empty");
        } else if (strcmp(key.ptr, "domains") == 0) {
            read_domains(&reader, found);
        } else {
            mistake(found, key.ptr, "unknown key; known: domains, text");
        }
    }
    return found->len == 0;
}

// Whether it is one of our domains or below one.
static bool is_ours(const uint8_t *domain, size_t len) {
    for (size_t i = 0; i < domain_count; i++) {
        buffer *own = &domains[i];
        if (len < own->len || !same_letters(domain + len - own->len, own->ptr, own->len))
            continue;
        if (len == own->len || domain[len - own->len - 1] == '.')
            return true;
    }
    return false;
}

static bool sender_is_ours(const types_reverse_path_t *sender) {
    if (sender->tag == TYPES_REVERSE_PATH_NULL)
        return false;
    const mailweir_string_t *address = &sender->val.address;
    size_t at = address->len;
    while (at > 0 && address->ptr[at - 1] != '@')
        at--;
    return is_ours(address->ptr + at, address->len - at);
}

static bool contains(const types_field_t *field) {
    for (size_t i = 0; i + text.len <= field->value.len; i++)
        if (memcmp(field->value.ptr + i, text.ptr, text.len) == 0)
            return true;
    return false;
}

static exports_message_change_t insert(const char *name, const char *value, size_t len) {
    exports_message_change_t change = {.tag = EXPORTS_MESSAGE_CHANGE_INSERT_FIELD};
    buffer raw = {0};
    append_text(&raw, " ");
    append(&raw, value, len);
    mailweir_string_t given = give(&raw);
    change.val.insert_field.f0.tag = TYPES_POSITION_BOTTOM;
    change.val.insert_field.f1.name = copy(name);
    change.val.insert_field.f1.value = (mailweir_list_u8_t){given.ptr, given.len};
    return change;
}

static exports_message_change_t put_before(const types_field_t *subject) {
    exports_message_change_t change = {.tag = EXPORTS_MESSAGE_CHANGE_REPLACE_FIELD};
    buffer raw = {0};
    append_text(&raw, " ");
    append(&raw, text.ptr, text.len);
    append(&raw, subject->value.ptr, subject->value.len);
    mailweir_string_t given = give(&raw);
    change.val.replace_field.f0 = subject->index;
    change.val.replace_field.f1 = (mailweir_list_u8_t){given.ptr, given.len};
    return change;
}

bool exports_message_filter(exports_message_borrow_message_t message, exports_message_outcome_t *answer,
                            mailweir_string_t *failure) {
    (void)failure; // It can't fail.
    *answer = (exports_message_outcome_t){.verdict.tag = TYPES_VERDICT_NEXT};
    types_client_t client;
    mail_method_message_client(message, &client);
    if (client.trusted) {
        answer->reason = because("the client is trusted");
        return true;
    }
    types_reverse_path_t sender;
    mail_method_message_sender(message, &sender);
    if (sender_is_ours(&sender)) {
        answer->reason = because("the sender's domain is ours");
        return true;
    }
    mailweir_string_t name = {(uint8_t *)"Subject", 7};
    mailweir_list_string_t names = {&name, 1};
    mail_list_field_t subjects;
    mail_method_message_fields(message, &names, &subjects);
    if (subjects.len == 0) {
        edit(answer)->change = insert("Subject", text.ptr, text.len);
    } else if (!contains(&subjects.ptr[0])) {
        *edit(answer) = (exports_message_edit_t){put_before(&subjects.ptr[0]), because("the message is external")};
    }
    edit(answer)->change = insert("X-External", "yes", 3);
    return true;
}
