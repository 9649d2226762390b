#!/bin/sh
# Installs what building and testing need and this machine lacks: as root on Debian and its relatives by itself,
# elsewhere it says what is missing.
set -eu

missing=
need() { # need PACKAGES TEST...: the packages, unless the test succeeds
    packages=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $packages"
}

has_wasm_target() {
    # The target of the running toolchain, or one that rustup can add (it can't on a machine without internet).
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ] ||
        rustup target add wasm32-unknown-unknown ||
        [ -d /usr/lib/rustlib/src/rust/library ] || ls -d /usr/src/rustc-*/library
}

need "gcc libc6-dev" command -v cc
need "rustc-web cargo-web rust-web-src" has_wasm_target
need "python3" command -v python3
need "ca-certificates" test -s /etc/ssl/certs/ca-certificates.crt
# For the example filters: C has its tools here, the other languages fetch theirs from PyPI and npm.
need "make" command -v make
need "clang lld wasi-libc libclang-rt-dev-wasm32" ls /usr/lib/wasm32-wasi/libc.a /usr/bin/clang /usr/bin/wasm-ld
need "python3-venv" python3 -c "import ensurepip"
need "nodejs npm" sh -c "command -v node && command -v npm"
need "openssl" command -v openssl
need "haproxy" command -v haproxy
need "curl" command -v curl
need "s-nail" command -v s-nail
need "libsasl2-modules" ls /usr/lib/*/sasl2/libplain.so
need "libfaketime" sh -c "ls /usr/lib/*/faketime/libfaketimeMT.so.1"
need "swaks" command -v swaks
need "pflogsumm" command -v pflogsumm
need "libnet-ssleay-perl" perl -MNet::SSLeay -e 1
need "postfix" test -x /usr/sbin/smtp-sink
need "postfix-cdb postfix-lmdb postfix-pcre" ls /usr/lib/postfix/postfix-cdb.so /usr/lib/postfix/postfix-lmdb.so /usr/lib/postfix/postfix-pcre.so
need "dovecot-core dovecot-lmtpd" test -x /usr/lib/dovecot/lmtp
# Debian has no Exim beside Postfix: its program is unpacked, with the libraries that it needs.
exim=/opt/mailweir-test/exim
need "libidn12 libgnutls-dane0" "$exim/usr/sbin/exim4" -C /dev/null -bV
# Nor OpenSMTPD.
opensmtpd=/opt/mailweir-test/opensmtpd
has_opensmtpd() {
    "$opensmtpd/usr/bin/smtp" -h 2>&1 | grep -q usage
}
need "libevent-2.1-7 libdb5.3" has_opensmtpd
# fail2ban would ban people when it is installed: its program is unpacked, too.
fail2ban=/opt/mailweir-test/fail2ban
need "python3" test -x "$fail2ban/usr/bin/fail2ban-regex"
need "uudeview" command -v uuenview
need "sharutils" command -v uuencode
need "macutils" command -v binhex
need "chromium" command -v chromium

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing:$missing (Debian's names; install them, or run this as root on Debian)" >&2
    exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Postfix is here for its programs only: unconfigured, and not started where services would be.
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
fi
# shellcheck disable=SC2086 — one word a package
apt-get install -y -qq --no-install-recommends $missing >/dev/null
unpack() { # unpack PACKAGE DIRECTORY
    archive=$(mktemp -d)
    (cd "$archive" && apt-get download -qq -o APT::Sandbox::User=root "$1" && mkdir -p "$2" && dpkg -x "$1"_*.deb "$2")
    rm -r "$archive"
}
has_opensmtpd || unpack opensmtpd "$opensmtpd"
test -x "$fail2ban/usr/bin/fail2ban-regex" || unpack fail2ban "$fail2ban"
if ! "$exim/usr/sbin/exim4" -C /dev/null -bV >/dev/null 2>&1; then
    unpack exim4-daemon-light "$exim"
    getent passwd Debian-exim >/dev/null || useradd --system --no-create-home --user-group Debian-exim
fi
