// Refuses messages with attachments whose names a table lists.

#include "support.h"

#include <stdlib.h>
#include <string.h>

// Octets of one field, or of one line of the body, that are looked at.
#define LONGEST_FIELD 8192
#define LARGEST_PIECE 65536

// The stage's `config`. What `configure` leaves here is what every message finds.
static buffer table;

static bool is_granted(void) {
    mailweir_list_string_t granted;
    tables_granted(&granted);
    bool found = false;
    for (size_t i = 0; i < granted.len; i++)
        found = found || (granted.ptr[i].len == table.len && memcmp(granted.ptr[i].ptr, table.ptr, table.len) == 0);
    mailweir_list_string_free(&granted);
    return found;
}

bool exports_configuration_configure(mailweir_string_t *config, mistakes *found) {
    *found = (mistakes){0};
    buffer key = {0};
    bool named = false;
    for (json reader = json_begin(config); json_key(&reader, &key);) {
        if (strcmp(key.ptr, "table") == 0) {
            named = true;
            if (!json_string(&reader, &table))
                mistake(found, "table", "this must be the name of a table");
            else if (!is_granted())
                mistake(found, "table", "there is no such table in [tables]");
        } else {
            mistake(found, key.ptr, "unknown key; known: table");
        }
    }
    if (!named)
        mistake(found, "", "`table` is missing");
    return found->len == 0;
}

// Looking through a message.
typedef struct {
    buffer line;  // so far
    buffer field; // so far: the value of the field that the lines before began
    bool open;    // whether they did
    bool refused;
    buffer reply;
    mailweir_string_t *failure;
    bool failed;
} scan;

// What the table says about a name as a whole, or else about its extension.
static void look_up(scan *scan, buffer *name) {
    tables_key_t keys[2] = {{.text = {(uint8_t *)name->ptr, name->len}, .partial = false}};
    tables_list_key_t list = {keys, 1};
    for (size_t dot = name->len; dot > 0; dot--) {
        if (name->ptr[dot - 1] == '.') {
            keys[1] = (tables_key_t){.text = {(uint8_t *)name->ptr + dot - 1, name->len - dot + 1}, .partial = true};
            list.len = 2;
            break;
        }
    }
    mailweir_string_t table_name = {(uint8_t *)table.ptr, table.len};
    mailweir_list_string_t asked = {&table_name, 1};
    tables_option_hit_t hit;
    if (!tables_lookup(&asked, &list, &hit, scan->failure)) {
        scan->failed = true;
    } else if (hit.is_some) {
        scan->refused = true;
        append(&scan->reply, name->ptr, name->len);
        append_text(&scan->reply, ": ");
        append(&scan->reply, hit.val.value.ptr, hit.val.value.len);
    }
}

// One parameter, without quotes and folding, in lower case: `filename=x` or `name=x` (RFC 2045 5.1, RFC 2183 2.3).
static void take_parameter(scan *scan, buffer *parameter) {
    if (scan->refused || scan->failed)
        return;
    char *start = parameter->ptr, *end = start + parameter->len;
    char *equals = memchr(start, '=', parameter->len);
    if (!equals)
        return;
    char *value = equals + 1;
    while (start < equals && (*start == ' ' || *start == '\t'))
        start++;
    while (equals > start && (equals[-1] == ' ' || equals[-1] == '\t'))
        equals--;
    size_t len = (size_t)(equals - start);
    if (!(len == 4 && memcmp(start, "name", 4) == 0) && !(len == 8 && memcmp(start, "filename", 8) == 0))
        return;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    buffer name = {.ptr = value, .len = (size_t)(end - value)};
    look_up(scan, &name);
}

// A field is cut at its semicolons. Octets that are no printable US-ASCII become `?`.
static void take_field(scan *scan, const void *octets, size_t len) {
    buffer parameter = {0};
    append_text(&parameter, " ");
    bool quoted = false, escaped = false;
    for (size_t i = 0; i < len; i++) {
        char c = ((const char *)octets)[i];
        if (c == '\r' || c == '\n')
            continue;
        if (c == '\\' && quoted && !escaped) {
            escaped = true;
            continue;
        }
        if (c == '"' && !escaped) {
            quoted = !quoted;
        } else if (c == ';' && !quoted) {
            take_parameter(scan, &parameter);
            parameter.len = 0;
        } else {
            if (c >= 'A' && c <= 'Z')
                c = (char)(c + 32);
            else if ((c < ' ' || c > '~') && c != '\t')
                c = '?';
            append(&parameter, &c, 1);
        }
        escaped = false;
    }
    take_parameter(scan, &parameter);
    free(parameter.ptr);
}

// A line is the rest of an open field, or the beginning of one, or neither.
static void take_line(scan *scan) {
    static const char *const names[] = {"content-disposition:", "content-type:"};
    buffer *line = &scan->line;
    if (scan->open && line->len > 0 && (line->ptr[0] == ' ' || line->ptr[0] == '\t')) {
        if (scan->field.len + line->len <= LONGEST_FIELD)
            append(&scan->field, line->ptr, line->len);
    } else {
        if (scan->open)
            take_field(scan, scan->field.ptr, scan->field.len);
        scan->open = false;
        scan->field.len = 0;
        for (size_t i = 0; i < 2; i++) {
            size_t len = strlen(names[i]);
            if (line->len >= len && same_letters(line->ptr, names[i], len)) {
                scan->open = true;
                append(&scan->field, line->ptr + len, line->len - len);
            }
        }
    }
    line->len = 0;
}

static void take_body(scan *scan, const uint8_t *octets, size_t len) {
    while (len > 0) {
        const uint8_t *end = memchr(octets, '\n', len);
        size_t part = end ? (size_t)(end - octets) + 1 : len;
        size_t room = LONGEST_FIELD - scan->line.len;
        append(&scan->line, octets, part < room ? part : room);
        if (end)
            take_line(scan);
        octets += part;
        len -= part;
    }
}

static void take_message(scan *scan, exports_message_borrow_message_t message) {
    mailweir_string_t names[2] = {{(uint8_t *)"Content-Disposition", 19}, {(uint8_t *)"Content-Type", 12}};
    mailweir_list_string_t list = {names, 2};
    mail_list_field_t fields;
    mail_method_message_fields(message, &list, &fields);
    for (size_t i = 0; i < fields.len; i++)
        take_field(scan, fields.ptr[i].value.ptr, fields.ptr[i].value.len);
    for (uint64_t offset = 0; !scan->refused && !scan->failed;) {
        mailweir_list_u8_t piece;
        mail_method_message_read_body(message, offset, LARGEST_PIECE, &piece);
        if (piece.len == 0)
            break;
        take_body(scan, piece.ptr, piece.len);
        offset += piece.len;
        mailweir_list_u8_free(&piece);
    }
    // The last line may have no end; then nothing follows, which ends the field that is open.
    take_line(scan);
    take_line(scan);
}

bool exports_message_filter(exports_message_borrow_message_t message, exports_message_outcome_t *answer,
                            mailweir_string_t *failure) {
    *answer = (exports_message_outcome_t){.verdict.tag = TYPES_VERDICT_NEXT};
    scan scan = {.failure = failure};
    take_message(&scan, message);
    if (scan.refused) {
        answer->verdict.tag = TYPES_VERDICT_REJECT;
        types_reply_t *reply = &answer->verdict.val.reject;
        *reply = (types_reply_t){.code = 550, .enhanced = {true, copy("5.7.1")}, .text = give(&scan.reply)};
        answer->reason = because("an attachment's name is listed");
    }
    return !scan.failed;
}
