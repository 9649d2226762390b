#!/usr/bin/env bash
# The main job, on this machine, for the eye: a message goes in through SMTP, five WASM filters see it, it comes out at the next hop.
# `make demo` builds first. Everything listens on loopback and is gone at the end.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mailweir=$target/debug/mailweir
work=$(mktemp -d)
pids=()

cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
say() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_for() { # wait_for WHAT COMMAND...: until it succeeds, at most a minute
    local what=$1 tries=0
    shift
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "gave up waiting for $what; the relay's log:" >&2; cat "$work/relay.log" >&2; exit 1; }
        sleep 0.1
    done
}
connects() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
arrived() { compgen -G "$work/next-hop/*" >/dev/null; }

port=$(free_port)
sink_port=$(free_port)
sed -e "s/127\.0\.0\.1:2525/127.0.0.1:$port/" -e "s/127\.0\.0\.1:2526/127.0.0.1:$sink_port/" "$here/demo.toml" >"$work/mailweir.toml"
ln -s "$target/plugins/filters" "$work/filters"

say "The pipeline: examples/demo.toml"
show "mailweir check"
"$mailweir" check --config "$work/mailweir.toml"

# smtp-sink does not run as root: it gets a folder of its own.
mkdir "$work/next-hop"
as_user=()
if [ "$(id -u)" -eq 0 ]; then chown nobody "$work/next-hop" && chmod 755 "$work" && as_user=(-u nobody); fi
/usr/sbin/smtp-sink "${as_user[@]}" -d "$work/next-hop/" "127.0.0.1:$sink_port" 100 &
pids+=($!)
"$mailweir" serve --config "$work/mailweir.toml" 2>"$work/relay.log" &
pids+=($!)
wait_for "the relay" connects "$port"
wait_for "the next hop" connects "$sink_port"

cat >"$work/notes.txt" <<'NOTES'
These lines are an attachment. No filter touches them.
.
NOTES
cat >"$work/body.txt" <<'BODY'
Hello Jane,

the figures are attached.
BODY

say "A client sends a message with an attachment"
show "swaks --server 127.0.0.1:$port --from joe@host7.lab.example.com --to user1@example.com --attach @notes.txt …"
swaks --server "127.0.0.1:$port" --silent 1 --ehlo laptop.lab.example.com \
    --from joe@host7.lab.example.com --to user1@example.com \
    --header 'From: "Joe B. Goode" (lab) <joe@host7.lab.example.com>' --header 'To: user1@example.com' \
    --header 'Cc: Greg <user2@example.com>, someone@elsewhere.example' --header 'Subject: The figures' \
    --body "@$work/body.txt" --attach-type text/plain --attach-name notes.txt --attach "@$work/notes.txt" \
    --dump-mail | tr -d '\r' >"$work/sent.eml"
swaks --server "127.0.0.1:$port" --silent 2 --ehlo laptop.lab.example.com \
    --from joe@host7.lab.example.com --to user1@example.com --data "@$work/sent.eml"
echo "accepted with 250: it is on disk"
wait_for "the message at the next hop" arrived

say "What each filter did, and what it cost"
show "mailweir trace sent.eml --from joe@host7.lab.example.com --to user1@example.com"
"$mailweir" trace "$work/sent.eml" --config "$work/mailweir.toml" --from joe@host7.lab.example.com --to user1@example.com

say "What came out at the next hop (-) what went in, (+) what came out; the rest is the same to the last octet"
sleep 0.2
received=$(ls "$work"/next-hop/* | head -1)
diff --unified=100 --label "sent" --label "received" <(tr -d '\r' <"$work/sent.eml") <(tr -d '\r' <"$received") | tail -n +4 || true

say "Stopped cleanly; nothing is left behind"
