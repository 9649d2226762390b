#!/usr/bin/env python3
"""What other mail notices of filters that spin, trap, eat memory, recurse, flood. For people, not for CI: it takes minutes.

usage: tests/abuse.py [SECONDS]     seconds of each measurement, 5 if not given; wants `cargo build --release` and `make languages`

For a guest in Rust, C and JavaScript: two sessions send small letters one after the other, alone, and then beside two sessions each
of whose letters makes the guest misbehave. Says how long a letter took (MAIL to the reply after the final dot), and what became of
the others.
"""
import os, pathlib, re, shutil, signal, smtplib, socketserver, subprocess, sys, tempfile, threading, time
from collections import Counter

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
MAILWEIR = TARGET / "release" / "mailweir"
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 5
ROUNDS = 3
# What each guest can do that it must not: the guest in Rust is told by its configuration, the others by the Subject.
RUST = [
    "panic", "spin", "eat-memory", "recurse", "many-edits", "edit-out-of-range", "inject-field", "huge-output", "log-flood",
    "lookup-flood",
]
OTHERS = ["trap", "spin", "memory", "recurse", "edits", "range", "inject", "log", "calls"]


class Letters(socketserver.StreamRequestHandler):
    """A next hop that takes everything."""

    def handle(self):
        self.wfile.write(b"220 sink.example.net ESMTP\r\n")
        in_letter = False
        for line in self.rfile:
            if in_letter:
                if line == b".\r\n":
                    in_letter = False
                    self.wfile.write(b"250 ok\r\n")
                continue
            verb = line[:4].upper()
            in_letter = verb == b"DATA"
            self.wfile.write({b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(verb, b"250 ok\r\n"))
            if verb == b"QUIT":
                return


class Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def guest(language, work):
    """The guest's file, and its acts."""
    if language == "rust":
        return TARGET / "plugins" / "filters" / "misbehave.wasm", RUST
    source = next((ROOT / "tests" / "guests" / language).iterdir())
    subprocess.run([MAILWEIR, "plugin", "new", "--lang", language, "guest"], cwd=work, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(source, work / "guest")
    tools = os.environ | {"TOOLS": str(TARGET / "tools")}
    subprocess.run(["make", "--quiet", "misbehave.wasm"], cwd=work / "guest", check=True, env=tools, stdout=subprocess.DEVNULL)
    return work / "guest" / "misbehave.wasm", OTHERS


def pipeline(language, plugin, acts, sink):
    stages = acts if language == "rust" else ["."]
    text = f'''
hostname = "relay.example.com"
state-dir = "state"
listen.smtp.addresses = ["127.0.0.1:0"]
tables.fruit = {{ type = "inline", rows = {{ apple = "red" }} }}
[[message]]
plugin = "masquerade"
config.domains = ["example.com"]
[[route]]
domains = ["*"]
next-hop = "smtp://127.0.0.1:{sink}"
'''
    for number, act in enumerate(stages):
        text += f'''
[[message]]
plugin = "{plugin}"
name = "guest-{number}"
timeout = "500ms"
when = {{ header.x-act = "^{act}" }}
'''
        if language == "rust":
            text += f'config = {{ act = "{act}", tables = ["fruit"] }}\n'
    return text


class Relay:
    def __init__(self, folder, text):
        (folder / "mailweir.toml").write_text(text)
        environment = os.environ | {"MAILWEIR_LOG": "info"}
        self.process = subprocess.Popen([MAILWEIR, "serve"], cwd=folder, stderr=subprocess.PIPE, text=True, env=environment)
        self.failures, self.port, said = Counter(), None, []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"listening.*address=\S*?:(\d+)\b", line):
                self.port = int(found[1])
                break
        if self.port is None:
            sys.exit("".join(said))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stderr:
            if found := re.search(r"kind=\"?([\w-]+)", line):
                self.failures[found[1]] += 1

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def session(port):
    return smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.com")


def traffic(port, stop, took):
    with session(port) as client:
        while not stop.is_set():
            began = time.perf_counter()
            client.sendmail("ann@host.example.com", ["bob@example.net"], "Subject: fine\r\n\r\ntext\r\n")
            took.append(time.perf_counter() - began)
            time.sleep(0.005)


def abuse(port, stop, acts, replies):
    number = 0
    client = session(port)
    while not stop.is_set():
        act = acts[number % len(acts)]
        number += 1
        letter = f"Subject: {act}\r\nX-Act: {act}\r\n\r\ntext\r\n"
        try:
            client.sendmail("ann@host.example.com", ["bob@example.net"], letter)
            replies["250"] += 1
        except smtplib.SMTPDataError as refused:
            replies[str(refused.smtp_code)] += 1
        except smtplib.SMTPServerDisconnected:
            # `[limits] errors` ends sessions that are refused too often.
            client = session(port)
    client.close()


def measure(port, acts):
    """Milliseconds of each letter; replies to the letters that make the guest misbehave."""
    stop, took, replies = threading.Event(), [], Counter()
    threads = [threading.Thread(target=traffic, args=(port, stop, took)) for _ in range(2)]
    threads += [threading.Thread(target=abuse, args=(port, stop, acts, replies)) for _ in range(2 if acts else 0)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return [1000 * seconds for seconds in took], replies


def quantile(values, part):
    return sorted(values)[int(part * (len(values) - 1))]


def main():
    sink = Sink(("127.0.0.1", 0), Letters)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    print(f"{'guest':<11} {'letters':>15} {'p50 ms':>15} {'p99 ms':>15} {'ratio of p99':>13}  replies to misbehaviour, failures in the log")
    for language in ["rust", "c", "javascript"]:
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            plugin, acts = guest(language, work)
            relay = Relay(work, pipeline(language, plugin, acts, sink.server_address[1]))
            measure(relay.port, [])
            alone, beside, replies = [], [], Counter()
            for _ in range(ROUNDS):
                alone += measure(relay.port, [])[0]
                took, answered = measure(relay.port, acts)
                beside += took
                replies += answered
            relay.stop()
            pair = lambda what: f"{what(alone):.1f} / {what(beside):.1f}"
            ratio = quantile(beside, 0.99) / quantile(alone, 0.99)
            print(
                f"{language:<11} {f'{len(alone)} / {len(beside)}':>15} {pair(lambda took: quantile(took, 0.5)):>15}"
                f" {pair(lambda took: quantile(took, 0.99)):>15} {ratio:>13.2f}  {dict(replies)}, {dict(relay.failures)}"
            )
    sink.shutdown()


main()
