#!/usr/bin/env python3
"""What other mail notices of filters that spin, trap, eat memory, recurse, flood. For people, not for CI: it takes minutes.

usage: tests/abuse.py [SECONDS]     seconds of each measurement, 5 if not given; wants `cargo build --release` and `make languages`

For a guest in Rust, C and JavaScript: two sessions send small letters one after the other, alone, then beside two sessions that send
ordinary letters without pause, then beside two each of whose letters makes the guest misbehave. Says how long a letter took (MAIL to
the reply after the final dot), and what became of the others. Each party is a process of its own, so that none waits for another's
interpreter.
"""
import contextlib, multiprocessing, os, pathlib, re, shutil, signal, smtplib, socketserver, subprocess, sys, tempfile, time
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
        self.log = folder / "log"
        environment = os.environ | {"MAILWEIR_LOG": "info"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen([MAILWEIR, "serve"], cwd=folder, stderr=log, env=environment)
        while not (found := re.search(r"listening.*address=\S*?:(\d+)\b", self.log.read_text())):
            if self.process.poll() is not None:
                sys.exit(self.log.read_text())
            time.sleep(0.1)
        self.port = int(found[1])

    def failures(self):
        """How many there were of each kind."""
        return Counter(re.findall(r"kind=\"?([\w-]+)", self.log.read_text()))

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def session(port):
    return smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.com")


def traffic(port, stop, report):
    """Letters with a pause after each; reports the milliseconds of each."""
    took = []
    with session(port) as client:
        while not stop.is_set():
            began = time.perf_counter()
            client.sendmail("ann@host.example.com", ["bob@example.net"], "Subject: fine\r\n\r\ntext\r\n")
            took.append(1000 * (time.perf_counter() - began))
            time.sleep(0.005)
    report.put((took, Counter()))


def others(port, stop, report, acts):
    """Letters without pause, each of which makes the guest do the next of `acts`; reports the replies."""
    number, replies = 0, Counter()
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
    report.put(([], replies))


def measure(port, acts):
    """Milliseconds of each letter; replies to the letters of the others, if there are others."""
    stop, report = multiprocessing.Event(), multiprocessing.Queue()
    parties = [(traffic, (port, stop, report))] * 2 + [(others, (port, stop, report, acts))] * (2 if acts else 0)
    processes = [multiprocessing.Process(target=target, args=args) for target, args in parties]
    for process in processes:
        process.start()
    time.sleep(SECONDS)
    stop.set()
    reports = [report.get() for _ in processes]
    for process in processes:
        process.join()
    return sum((took for took, _ in reports), []), sum((replies for _, replies in reports), Counter())


def quantile(values, part):
    return sorted(values)[int(part * (len(values) - 1))]


def main():
    sink = Sink(("127.0.0.1", 0), Letters)
    server = multiprocessing.Process(target=sink.serve_forever, daemon=True)
    server.start()
    print(f"{'guest':<11} {'beside':<12} {'letters':>8} {'p50 ms':>7} {'p99 ms':>7}  replies to the others, failures in the log")
    for language in ["rust", "c", "javascript"]:
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            plugin, acts = guest(language, work)
            took, answered = {}, {}
            with contextlib.closing(Relay(work, pipeline(language, plugin, acts, sink.server_address[1]))) as relay:
                measure(relay.port, [])
                for _ in range(ROUNDS):
                    for beside, what in {"nobody": [], "ordinary": ["fine"], "misbehaving": acts}.items():
                        letters, replies = measure(relay.port, what)
                        took.setdefault(beside, []).extend(letters)
                        answered.setdefault(beside, Counter()).update(replies)
            for beside, letters in took.items():
                told = f"{dict(answered[beside])}, {dict(relay.failures())}" if beside == "misbehaving" else dict(answered[beside])
                print(
                    f"{language:<11} {beside:<12} {len(letters):>8} {quantile(letters, 0.5):>7.1f} {quantile(letters, 0.99):>7.1f}  {told}"
                )
    server.terminate()


main()
