//! The contract of `wit/` in Zig, for filters for `[[message]]` and `[[delivery]]`. There is no generator for Zig yet, so the layout of
//! all values is written down here, as the canonical ABI of the component model has it. What is not here yet (new bodies,
//! files, `[[session]]`) goes the same way.

const std = @import("std");

/// Lives as long as the filter: for what `configure` keeps.
pub const forever = std.heap.wasm_allocator;

var call_arena = std.heap.ArenaAllocator.init(std.heap.wasm_allocator);

/// Lives until the next call.
pub fn call() std.mem.Allocator {
    return call_arena.allocator();
}

/// `string` and `list<u8>`.
pub const Octets = extern struct {
    ptr: [*]const u8,
    len: usize,

    pub fn of(octets: []const u8) Octets {
        return .{ .ptr = octets.ptr, .len = octets.len };
    }

    pub fn slice(self: Octets) []const u8 {
        return self.ptr[0..self.len];
    }
};

/// `option<string>`.
pub const Maybe = extern struct {
    is_some: bool = false,
    value: Octets = .of(""),

    pub fn some(octets: []const u8) Maybe {
        return .{ .is_some = true, .value = .of(octets) };
    }
};

/// `list<T>`.
fn List(comptime T: type) type {
    return extern struct { ptr: [*]const T, len: usize };
}

pub const Client = extern struct {
    address: Octets,
    port: u16,
    name: Maybe,
    helo: Maybe,
    tls: Maybe,
    login: Maybe,
    trusted: bool,
};

/// Without an address: the null sender.
pub const ReversePath = extern struct { is_address: bool, address: Octets };

pub const Field = extern struct { index: u32, name: Octets, value: Octets };

pub const Reply = extern struct { code: u16, enhanced: Maybe, text: Octets };

pub const Verdict = extern struct {
    tag: enum(u8) { next, accept, reject, defer_, discard, hold } = .next,
    /// `reply` of a reject or defer_, `reason` of a discard or hold.
    value: extern union { none: u32, reply: Reply, reason: Octets } = .{ .none = 0 },
};

pub const Position = extern struct { tag: enum(u8) { top, bottom, before }, before: u32 = 0 };

pub const Change = extern struct {
    tag: enum(u8) {
        set_sender,
        add_recipient,
        remove_recipient,
        replace_recipient,
        insert_field,
        replace_field,
        remove_field,
        replace_body,
    },
    value: extern union {
        sender: ReversePath,
        recipient: Octets,
        index: u32,
        /// `replace_recipient` and `replace_field`.
        replacement: extern struct { index: u32, value: Octets },
        insertion: extern struct { position: Position, name: Octets, value: Octets },
    },
};

pub const Edit = extern struct { change: Change, reason: Maybe = .{} };

pub const Outcome = extern struct {
    verdict: Verdict = .{},
    reason: Maybe = .{},
    edits: List(Edit) = .{ .ptr = undefined, .len = 0 },
};

pub const Key = extern struct { text: Octets, partial: bool };
pub const Hit = struct { table: u32, key: u32, value: []const u8 };
pub const ConfigError = extern struct { path: Octets, message: Octets };

/// The message that the filter is asked about.
pub const Message = struct {
    handle: i32,

    const mail = struct {
        extern "mailweir:filter/mail@0.1.0" fn @"[method]message.sender"(i32, *ReversePath) void;
        extern "mailweir:filter/mail@0.1.0" fn @"[method]message.client"(i32, *Client) void;
        extern "mailweir:filter/mail@0.1.0" fn @"[method]message.recipients"(i32, *List(Octets)) void;
        extern "mailweir:filter/mail@0.1.0" fn @"[method]message.fields"(i32, [*]const Octets, usize, *List(Field)) void;
        extern "mailweir:filter/mail@0.1.0" fn @"[method]message.read-body"(i32, u64, u32, *Octets) void;
        extern "mailweir:filter/mail@0.1.0" fn @"[resource-drop]message"(i32) void;
    };

    pub fn sender(self: Message) ReversePath {
        var answer: ReversePath = undefined;
        mail.@"[method]message.sender"(self.handle, &answer);
        return answer;
    }

    pub fn client(self: Message) Client {
        var answer: Client = undefined;
        mail.@"[method]message.client"(self.handle, &answer);
        return answer;
    }

    pub fn recipients(self: Message) []const Octets {
        var answer: List(Octets) = undefined;
        mail.@"[method]message.recipients"(self.handle, &answer);
        return answer.ptr[0..answer.len];
    }

    pub fn fields(self: Message, names: []const Octets) []const Field {
        var answer: List(Field) = undefined;
        mail.@"[method]message.fields"(self.handle, names.ptr, names.len, &answer);
        return answer.ptr[0..answer.len];
    }

    pub fn readBody(self: Message, offset: u64, length: u32) []const u8 {
        var answer: Octets = undefined;
        mail.@"[method]message.read-body"(self.handle, offset, length, &answer);
        return answer.slice();
    }
};

pub const tables = struct {
    const Lookup = extern struct {
        is_error: bool,
        value: extern union {
            hit: extern struct { is_some: bool, table: u32, key: u32, value: Octets },
            text: Octets,
        },
    };

    extern "mailweir:filter/tables@0.1.0" fn granted(*List(Octets)) void;
    extern "mailweir:filter/tables@0.1.0" fn lookup([*]const Octets, usize, [*]const Key, usize, *Lookup) void;

    pub fn isGranted(name: []const u8) bool {
        var names: List(Octets) = undefined;
        granted(&names);
        for (names.ptr[0..names.len]) |one| {
            if (std.mem.eql(u8, one.slice(), name)) return true;
        }
        return false;
    }

    /// The first key that is in any of the tables.
    pub fn find(names: []const Octets, keys: []const Key) !?Hit {
        var answer: Lookup = undefined;
        lookup(names.ptr, names.len, keys.ptr, keys.len, &answer);
        if (answer.is_error) return fail(answer.value.text.slice());
        const hit = answer.value.hit;
        return if (hit.is_some) .{ .table = hit.table, .key = hit.key, .value = hit.value.slice() } else null;
    }
};

pub const explain = struct {
    extern "mailweir:filter/explain@0.1.0" fn wanted() bool;

    pub fn because(reason: []const u8) Maybe {
        return if (wanted()) .some(reason) else .{};
    }
};

var failure: ?[]const u8 = null;

/// The call fails with this text.
pub fn fail(text: []const u8) error{Failed} {
    failure = text;
    return error.Failed;
}

/// Mistakes in the stage's `config`.
pub const Mistakes = struct {
    list: std.ArrayList(ConfigError) = .empty,

    pub fn add(self: *Mistakes, path: []const u8, message: []const u8) !void {
        try self.list.append(call(), .{ .path = .of(path), .message = .of(message) });
    }
};

fn Answer(comptime Value: type) type {
    return extern struct { is_error: bool, value: Value };
}

/// Exports a filter: a type with `configure(config: std.json.ObjectMap, mistakes: *Mistakes) !void` and
/// `filter(message: Message) !Outcome`.
pub fn exportFilter(comptime Filter: type) void {
    const exported = struct {
        var configured: Answer(List(ConfigError)) = undefined;
        var filtered: Answer(extern union { outcome: Outcome, text: Octets }) = undefined;

        fn configure(ptr: [*]const u8, len: usize) callconv(.c) *const anyopaque {
            var mistakes: Mistakes = .{};
            // The relay writes the JSON, and what is parsed of it is kept.
            const config = std.json.parseFromSliceLeaky(std.json.Value, forever, ptr[0..len], .{ .allocate = .alloc_always }) catch @trap();
            Filter.configure(config.object, &mistakes) catch @trap();
            const list = mistakes.list.items;
            configured = .{ .is_error = list.len > 0, .value = .{ .ptr = list.ptr, .len = list.len } };
            return &configured;
        }

        fn filter(handle: i32) callconv(.c) *const anyopaque {
            _ = call_arena.reset(.retain_capacity);
            failure = null;
            if (Filter.filter(.{ .handle = handle })) |outcome| {
                filtered = .{ .is_error = false, .value = .{ .outcome = outcome } };
            } else |err| {
                filtered = .{ .is_error = true, .value = .{ .text = .of(failure orelse @errorName(err)) } };
            }
            Message.mail.@"[resource-drop]message"(handle);
            return &filtered;
        }

        /// The relay puts what it passes here.
        fn realloc(old: [*]const u8, old_len: usize, _: usize, len: usize) callconv(.c) [*]u8 {
            // Of no octets the address counts too: it must lie in the memory.
            const new = call().alignedAlloc(u8, .@"8", @max(len, 1)) catch @trap();
            @memcpy(new[0..old_len], old[0..old_len]);
            return new.ptr;
        }
    };
    @export(&exported.configure, .{ .name = "mailweir:filter/configuration@0.1.0#configure" });
    @export(&exported.filter, .{ .name = "mailweir:filter/message@0.1.0#filter" });
    @export(&exported.realloc, .{ .name = "cabi_realloc" });
}
