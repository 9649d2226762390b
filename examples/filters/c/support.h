// What both filters need beside the generated bindings: strings, growing buffers, the stage's `config`, answers.
#pragma once

#include "mailweir.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Octets that grow.
typedef struct {
    char *ptr;
    size_t len, room;
} buffer;

void append(buffer *to, const void *octets, size_t len);
void append_text(buffer *to, const char *text);

// A copy of a text, as the bindings want it: what is answered is freed after the call, so it must not be a literal.
mailweir_string_t copy(const char *text);
// The buffer itself, given away.
mailweir_string_t give(buffer *from);
// Why, if somebody wants to know.
types_reason_t because(const char *text);
// One more edit of an answer, to be filled in.
exports_message_edit_t *edit(exports_message_outcome_t *answer);

bool same_letters(const void *a, const void *b, size_t len); // without regard to case, US-ASCII

// Reading the stage's `config`, which is a JSON object: of its values only strings and lists of strings are read.
typedef struct {
    const char *at, *end;
} json;

typedef exports_configuration_list_config_error_t mistakes;

json json_begin(const mailweir_string_t *text);
// The next key of the object; false after the last. What is not read of its value is passed over.
bool json_key(json *reader, buffer *key);
bool json_string(json *reader, buffer *value);
// Enter a list; then json_element says whether there is one more, and json_string reads it.
bool json_list(json *reader);
bool json_element(json *reader);

// Add a mistake at a key.
void mistake(mistakes *list, const char *path, const char *message);
