#!/usr/bin/env bash
# Finds or makes an Asterisk >= 20 and writes .asterisk/run, which starts it wherever it lies.
#
# Debian 12 and 13 have no asterisk package; Debian testing has one. So, where no Asterisk is installed, this
# takes testing's packages with a private apt state (nothing on the machine changes, no root is needed), from
# the mirror that the machine's own apt is configured for, and unpacks them into .asterisk/, together with the
# C library that they were built for.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=$PWD/.asterisk
suite=${ASTERISK_SUITE:-testing}
say() { printf '  asterisk: %s\n' "$*"; }
fail() { printf 'setup/asterisk.sh: %s\n' "$*" >&2; exit 1; }

version_of() { "$@" -V 2>/dev/null | sed -n 's/^Asterisk \([0-9][0-9]*\)\..*/\1/p'; }

if [ -x "$prefix/run" ] && [ "$(version_of "$prefix/run")" -ge 20 ] 2>/dev/null; then
    say "ready ($("$prefix/run" -V))"
    exit 0
fi
mkdir -p "$prefix"

# 1. An Asterisk that the operator installed is preferred.
for candidate in "${ASTERISK:-}" "$(command -v asterisk || true)" /usr/sbin/asterisk /usr/local/sbin/asterisk; do
    if [ -z "$candidate" ] || [ ! -x "$candidate" ]; then continue; fi
    if [ "$(version_of "$candidate")" -ge 20 ] 2>/dev/null; then
        modules=$(strings -a "$candidate" 2>/dev/null | grep -m1 -E '^/.*/asterisk/modules$' || true)
        [ -d "$modules" ] || for dir in /usr/lib/*/asterisk/modules /usr/lib/asterisk/modules /usr/lib64/asterisk/modules /usr/local/lib/asterisk/modules; do
            [ -d "$dir" ] && modules=$dir && break
        done
        data=/usr/share/asterisk; [ -d "$data" ] || data=/var/lib/asterisk
        printf '#!/bin/sh\nexec %s "$@"\n' "$candidate" > "$prefix/run"
        printf '%s\n' "$modules" > "$prefix/modules-dir"
        printf '%s\n' "$data" > "$prefix/data-dir"
        chmod +x "$prefix/run"
        say "using the installed $("$candidate" -V) ($candidate)"
        exit 0
    fi
    say "$candidate is older than 20: not used"
done

# 2. Otherwise Debian's packages, unpacked into the prefix.
command -v apt-get >/dev/null || fail "no Asterisk >= 20 found and no apt-get to fetch one; install Asterisk 20 or newer and run this again (ASTERISK=/path/to/asterisk names it)"
# shellcheck disable=SC2016 # the $() are apt's
mirror=$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(SITE)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 == "Debian" && $2 !~ /-(security|updates|backports)/ {print $3; exit}')
[ -n "$mirror" ] || mirror=$(sed -nE 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p; s/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null | grep -v security | head -n 1)
[ -n "$mirror" ] || fail "no Debian mirror in the machine's apt sources (see /etc/apt/sources.list); configure one or install Asterisk >= 20 yourself"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || fail "$keyring is missing: install the package debian-archive-keyring"

state=$prefix/apt
mkdir -p "$state/lists/partial" "$state/archives/partial"
: > "$state/status"
printf 'deb [signed-by=%s check-valid-until=no] %s %s main\n' "$keyring" "$mirror" "$suite" > "$state/sources.list"
options=(
    -o "Dir::State=$state" -o "Dir::State::Lists=$state/lists" -o "Dir::State::status=$state/status"
    -o "Dir::Cache=$state" -o "Dir::Cache::archives=$state/archives" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache="
    -o "Dir::Etc::SourceList=$state/sources.list" -o "Dir::Etc::SourceParts=/dev/null"
    -o "APT::Install-Recommends=false" -o "APT::Sandbox::User=root" -o "Acquire::Languages=none"
    -o "Acquire::Retries=3" -o "Debug::NoLocking=1"
)
say "reading the package list of Debian $suite from the machine's mirror"
apt-get "${options[@]}" -qq update || fail "could not read the package list of $suite from $mirror"
say "downloading asterisk and what it needs"
apt-get "${options[@]}" -qq --yes --download-only install asterisk > "$state/download.log" 2>&1 ||
    { tail -n 5 "$state/download.log" >&2; fail "could not download the asterisk packages (log: $state/download.log)"; }

say "unpacking $(find "$state/archives" -maxdepth 1 -name '*.deb' | wc -l) packages"
new=$prefix/root.new
rm -rf "$new"; mkdir -p "$new"
for deb in "$state"/archives/*.deb; do
    case "$(basename "$deb")" in
        # configuration and sounds that we replace, and tools that the daemon never starts
        asterisk-config_*|asterisk-core-sounds*|asterisk-moh*|asterisk-doc_*|perl*|libperl*|python3*|systemd_*|dpkg_*|*-mysql*) continue ;;
    esac
    dpkg -x "$deb" "$new"
done
loader=$(find "$new/usr" \( -name 'ld-linux-*.so.*' -o -name 'ld-linux.so.*' \) | head -n 1)
modules=$(find "$new/usr/lib" -type d -path '*/asterisk/modules' | head -n 1)
if [ -z "$loader" ] || [ -z "$modules" ]; then
    fail "the packages of $suite do not hold what was expected (loader '$loader', modules '$modules')"
fi
libraries=$(dirname "$(dirname "$modules")")
rm -rf "$prefix/root"; mv "$new" "$prefix/root"
loader=${loader/root.new/root}; modules=${modules/root.new/root}; libraries=${libraries/root.new/root}
cat > "$prefix/run" <<RUN
#!/bin/sh
# Asterisk from the unpacked packages, with the C library that it was built for. The prefix may be moved.
here=\$(cd "\$(dirname "\$0")" && pwd)
exec "\$here/${loader#"$prefix"/}" --library-path "\$here/${libraries#"$prefix"/}:\$here/${libraries#"$prefix"/}/asterisk" "\$here/root/usr/sbin/asterisk" "\$@"
RUN
chmod +x "$prefix/run"
printf '%s\n' "${modules#"$prefix"/}" > "$prefix/modules-dir"
printf '%s\n' "root/usr/share/asterisk" > "$prefix/data-dir"
rm -rf "$state"
"$prefix/run" -V >/dev/null || fail "the unpacked Asterisk does not start; remove $prefix and run this again"
say "ready ($("$prefix/run" -V), $(du -sm "$prefix" | cut -f1) MB in .asterisk/)"
