//! Refuses messages with attachments whose names a table lists.

const std = @import("std");
const mailweir = @import("mailweir.zig");

/// Octets of one field, or of one line of the body, that are looked at.
const longest_field = 8192;
const largest_piece = 65536;

// The stage's `config`. What `configure` leaves here is what every message finds.
var table: []const u8 = "";

pub fn configure(config: std.json.ObjectMap, mistakes: *mailweir.Mistakes) !void {
    var entries = config.iterator();
    while (entries.next()) |entry| {
        const key = entry.key_ptr.*;
        const value = entry.value_ptr.*;
        if (!std.mem.eql(u8, key, "table")) {
            try mistakes.add(key, "unknown key; known: table");
        } else if (value != .string) {
            try mistakes.add(key, "this must be the name of a table");
        } else if (!mailweir.tables.isGranted(value.string)) {
            try mistakes.add(key, "there is no such table in [tables]");
        } else {
            table = value.string;
        }
    }
    if (config.get("table") == null) try mistakes.add("", "`table` is missing");
}

pub fn filter(message: mailweir.Message) !mailweir.Outcome {
    var scan: Scan = .{};
    for (message.fields(&.{ .of("Content-Disposition"), .of("Content-Type") })) |field| {
        try scan.takeField(field.value.slice());
    }
    var offset: u64 = 0;
    while (scan.refusal == null) {
        const piece = message.readBody(offset, largest_piece);
        if (piece.len == 0) break;
        try scan.takeBody(piece);
        offset += piece.len;
    }
    // The last line may have no end; then nothing follows, which ends the field that is open.
    try scan.takeLine();
    try scan.takeLine();
    const text = scan.refusal orelse return .{};
    const reply: mailweir.Reply = .{ .code = 550, .enhanced = .some("5.7.1"), .text = .of(text) };
    return .{
        .verdict = .{ .tag = .reject, .value = .{ .reply = reply } },
        .reason = mailweir.explain.because("an attachment's name is listed"),
    };
}

const List = std.ArrayList(u8);

/// Looks through a message that comes in pieces.
const Scan = struct {
    /// The line so far.
    line: List = .empty,
    /// The value so far of the field that the lines before began.
    field: List = .empty,
    open: bool = false,
    /// What the sender is told.
    refusal: ?[]const u8 = null,

    fn takeBody(self: *Scan, piece: []const u8) !void {
        var rest = piece;
        while (rest.len > 0) {
            const end = std.mem.indexOfScalar(u8, rest, '\n');
            const part = if (end) |at| rest[0 .. at + 1] else rest;
            const room = longest_field - self.line.items.len;
            try self.line.appendSlice(mailweir.call(), part[0..@min(part.len, room)]);
            if (end != null) try self.takeLine();
            rest = rest[part.len..];
        }
    }

    /// A line is the rest of an open field, or the beginning of one, or neither.
    fn takeLine(self: *Scan) !void {
        defer self.line.clearRetainingCapacity();
        const line = self.line.items;
        if (self.open and line.len > 0 and (line[0] == ' ' or line[0] == '\t')) {
            if (self.field.items.len + line.len <= longest_field) try self.field.appendSlice(mailweir.call(), line);
            return;
        }
        if (self.open) try self.takeField(self.field.items);
        self.open = false;
        self.field.clearRetainingCapacity();
        for ([_][]const u8{ "content-disposition:", "content-type:" }) |name| {
            if (!std.ascii.startsWithIgnoreCase(line, name)) continue;
            self.open = true;
            try self.field.appendSlice(mailweir.call(), line[name.len..]);
        }
    }

    /// A field is cut at its semicolons. Octets that are no printable US-ASCII become `?`.
    fn takeField(self: *Scan, value: []const u8) !void {
        var parameter: List = .empty;
        var quoted = false;
        var escaped = false;
        for (value) |octet| {
            if (octet == '\r' or octet == '\n') continue;
            if (octet == '\\' and quoted and !escaped) {
                escaped = true;
                continue;
            }
            if (octet == '"' and !escaped) {
                quoted = !quoted;
            } else if (octet == ';' and !quoted) {
                try self.takeParameter(parameter.items);
                parameter.clearRetainingCapacity();
            } else {
                const printable = (octet >= ' ' and octet <= '~') or octet == '\t';
                try parameter.append(mailweir.call(), if (printable) std.ascii.toLower(octet) else '?');
            }
            escaped = false;
        }
        try self.takeParameter(parameter.items);
    }

    /// `filename=x` or `name=x` (RFC 2045 5.1, RFC 2183 2.3).
    fn takeParameter(self: *Scan, parameter: []const u8) !void {
        const equals = std.mem.indexOfScalar(u8, parameter, '=') orelse return;
        const attribute = std.mem.trim(u8, parameter[0..equals], " \t");
        if (!std.mem.eql(u8, attribute, "filename") and !std.mem.eql(u8, attribute, "name")) return;
        if (self.refusal == null) self.refusal = try refusalOf(std.mem.trim(u8, parameter[equals + 1 ..], " \t"));
    }
};

/// What the table says about a name as a whole, or else about its extension.
fn refusalOf(name: []const u8) !?[]const u8 {
    var keys = [_]mailweir.Key{ .{ .text = .of(name), .partial = false }, undefined };
    var count: usize = 1;
    if (std.mem.lastIndexOfScalar(u8, name, '.')) |dot| {
        keys[1] = .{ .text = .of(name[dot..]), .partial = true };
        count = 2;
    }
    const hit = try mailweir.tables.find(&.{.of(table)}, keys[0..count]) orelse return null;
    return try std.mem.concat(mailweir.call(), u8, &.{ name, ": ", hit.value });
}

comptime {
    mailweir.exportFilter(@This());
}
