#!/usr/bin/env bash
# 100,000 messages of 10 KB through five filters; memory of the relay after each 10,000. For people, not for CI: it takes minutes.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
mailweir=${CARGO_TARGET_DIR:-$root/target}/release/mailweir
work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
sink_port=$(free_port)
{
    printf 'hostname = "relay.example.com"\nstate-dir = "state"\n[listen.smtp]\naddresses = ["127.0.0.1:%s"]\n' "$port"
    printf '[[route]]\ndomains = ["*"]\nnext-hop = "smtp://127.0.0.1:%s"\n' "$sink_port"
    printf '[tables]\npeople = { type = "inline", rows = { "foo@example.com" = "bar@example.org" } }\n'
    for number in 1 2 3; do
        printf '[[message]]\nplugin = "masquerade"\nname = "masquerade-%s"\nconfig.domains = ["d%s.example.com"]\n' $number $number
    done
    for number in 1 2; do
        printf '[[message]]\nplugin = "canonical"\nname = "canonical-%s"\nconfig.both = ["people"]\n' $number
    done
} >"$work/mailweir.toml"
as_user=()
if [ "$(id -u)" -eq 0 ]; then as_user=(-u nobody); fi
/usr/sbin/smtp-sink "${as_user[@]}" -c "127.0.0.1:$sink_port" 1000 >"$work/sink.log" &
pids+=($!)
"$mailweir" serve --config "$work/mailweir.toml" 2>"$work/relay.log" >/dev/null &
relay=$!
pids+=($relay)
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
rss() { awk '/^VmRSS/ { print $2 }' /proc/$relay/status; }
echo "messages  RSS KiB  seconds"
printf '%8d %8d\n' 0 "$(rss)"
for round in 1 2 3 4 5 6 7 8 9 10; do
    begin=$(date +%s.%N)
    /usr/sbin/smtp-source -s 20 -m 10000 -l 10240 -f foo@d1.example.com -t foo@example.com "127.0.0.1:$port"
    printf '%8d %8d %8.1f\n' $((round * 10000)) "$(rss)" "$(python3 -c "print($(date +%s.%N) - $begin)")"
done
