#include "support.h"

#include <stdlib.h>
#include <string.h>

// wit-bindgen can put the contract into an object file of its own, which this would link in. The relay knows it without.
void __component_type_object_force_link_mailweir(void) {}

void append(buffer *to, const void *octets, size_t len) {
    if (len > to->room - to->len) {
        to->room = (to->len + len) * 2;
        to->ptr = realloc(to->ptr, to->room);
        if (!to->ptr)
            __builtin_trap();
    }
    if (len > 0)
        memcpy(to->ptr + to->len, octets, len);
    to->len += len;
}

void append_text(buffer *to, const char *text) { append(to, text, strlen(text)); }

mailweir_string_t give(buffer *from) {
    mailweir_string_t string = {(uint8_t *)from->ptr, from->len};
    *from = (buffer){0};
    return string;
}

mailweir_string_t copy(const char *text) {
    buffer made = {0};
    append_text(&made, text);
    return give(&made);
}

types_reason_t because(const char *text) {
    types_reason_t reason = {.is_some = explain_wanted()};
    if (reason.is_some)
        reason.val = copy(text);
    return reason;
}

exports_message_edit_t *edit(exports_message_outcome_t *answer) {
    exports_message_list_edit_t *edits = &answer->edits;
    edits->ptr = realloc(edits->ptr, (edits->len + 1) * sizeof *edits->ptr);
    if (!edits->ptr)
        __builtin_trap();
    edits->ptr[edits->len] = (exports_message_edit_t){0};
    return &edits->ptr[edits->len++];
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool same_letters(const void *a, const void *b, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (lower(((const char *)a)[i]) != lower(((const char *)b)[i]))
            return false;
    return true;
}

// The relay writes the JSON, so it is well-formed and has no blanks; only what a config may hold has to be told apart.

json json_begin(const mailweir_string_t *text) {
    return (json){(const char *)text->ptr + 1, (const char *)text->ptr + text->len};
}

static bool take(json *reader, char c) {
    bool found = reader->at < reader->end && *reader->at == c;
    reader->at += found;
    return found;
}

static unsigned hex(json *reader) {
    unsigned value = 0;
    for (int i = 0; i < 4 && reader->at < reader->end; i++) {
        char c = lower(*reader->at++);
        value = value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return value;
}

bool json_string(json *reader, buffer *value) {
    if (!take(reader, '"'))
        return false;
    value->len = 0;
    while (reader->at < reader->end && *reader->at != '"') {
        char c = *reader->at++;
        if (c == '\\') {
            static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
            c = *reader->at++;
            const char *escape = strchr(from, c);
            // The relay escapes control characters only, which are one octet each.
            c = c == 'u' ? (char)hex(reader) : escape ? to[escape - from] : c;
        }
        append(value, &c, 1);
    }
    take(reader, '"');
    append(value, "", 1);
    value->len--;
    return true;
}

// Up to the end of the value that begins or goes on here.
static void pass_over(json *reader) {
    buffer ignored = {0};
    for (int depth = 0; reader->at < reader->end; reader->at++) {
        char c = *reader->at;
        if (c == '"') {
            json_string(reader, &ignored);
            reader->at--;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == '}')) {
            break;
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        }
    }
    free(ignored.ptr);
}

bool json_key(json *reader, buffer *key) {
    if (reader->at[-1] != '{')
        pass_over(reader);
    take(reader, ',');
    return json_string(reader, key) && take(reader, ':');
}

bool json_list(json *reader) { return take(reader, '['); }

bool json_element(json *reader) {
    take(reader, ',');
    return reader->at < reader->end && !take(reader, ']');
}

void mistake(mistakes *list, const char *path, const char *message) {
    list->ptr = realloc(list->ptr, (list->len + 1) * sizeof *list->ptr);
    if (!list->ptr)
        __builtin_trap();
    list->ptr[list->len].path = copy(path);
    list->ptr[list->len++].message = copy(message);
}
