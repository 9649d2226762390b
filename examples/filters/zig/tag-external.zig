//! Marks messages that come from outside: a text before the Subject, and a field of its own.

const std = @import("std");
const mailweir = @import("mailweir.zig");

// The stage's `config`. What `configure` leaves here is what every message finds.
var text: []const u8 = "[EXTERNAL]";
var domains: []const std.json.Value = &.{};

pub fn configure(config: std.json.ObjectMap, mistakes: *mailweir.Mistakes) !void {
    var entries = config.iterator();
    while (entries.next()) |entry| {
        const key = entry.key_ptr.*;
        const value = entry.value_ptr.*;
        if (std.mem.eql(u8, key, "text")) {
            if (value == .string and isPrintable(value.string)) {
                text = value.string;
            } else {
                try mistakes.add(key, "it must be printable US-ASCII and not empty");
            }
        } else if (std.mem.eql(u8, key, "domains")) {
            if (value == .array and areStrings(value.array.items)) {
                domains = value.array.items;
            } else {
                try mistakes.add(key, "this must be a list of strings");
            }
        } else {
            try mistakes.add(key, "unknown key; known: domains, text");
        }
    }
}

fn isPrintable(octets: []const u8) bool {
    for (octets) |octet| {
        if (octet < ' ' or octet > '~') return false;
    }
    return octets.len > 0;
}

fn areStrings(values: []const std.json.Value) bool {
    for (values) |value| {
        if (value != .string) return false;
    }
    return true;
}

pub fn filter(message: mailweir.Message) !mailweir.Outcome {
    if (message.client().trusted) return .{ .reason = mailweir.explain.because("the client is trusted") };
    const sender = message.sender();
    if (sender.is_address and isOurs(sender.address.slice())) {
        return .{ .reason = mailweir.explain.because("the sender's domain is ours") };
    }
    var edits: std.ArrayList(mailweir.Edit) = .empty;
    const subjects = message.fields(&.{.of("Subject")});
    if (subjects.len == 0) {
        try edits.append(mailweir.call(), try insert("Subject", text));
    } else if (std.mem.find(u8, subjects[0].value.slice(), text) == null) {
        const value = try std.mem.concat(mailweir.call(), u8, &.{ " ", text, subjects[0].value.slice() });
        const replacement: mailweir.Change = .{
            .tag = .replace_field,
            .value = .{ .replacement = .{ .index = subjects[0].index, .value = .of(value) } },
        };
        try edits.append(mailweir.call(), .{
            .change = replacement,
            .reason = mailweir.explain.because("the message is external"),
        });
    }
    try edits.append(mailweir.call(), try insert("X-External", "yes"));
    return .{ .edits = .{ .ptr = edits.items.ptr, .len = edits.items.len } };
}

/// Whether the address is in one of our domains or below one.
fn isOurs(address: []const u8) bool {
    const at = std.mem.lastIndexOfScalar(u8, address, '@') orelse return false;
    const domain = address[at + 1 ..];
    for (domains) |value| {
        const own = value.string;
        if (!std.ascii.endsWithIgnoreCase(domain, own)) continue;
        if (domain.len == own.len or domain[domain.len - own.len - 1] == '.') return true;
    }
    return false;
}

fn insert(name: []const u8, value: []const u8) !mailweir.Edit {
    const raw = try std.mem.concat(mailweir.call(), u8, &.{ " ", value });
    return .{ .change = .{
        .tag = .insert_field,
        .value = .{ .insertion = .{ .position = .{ .tag = .bottom }, .name = .of(name), .value = .of(raw) } },
    } };
}

comptime {
    mailweir.exportFilter(@This());
}
