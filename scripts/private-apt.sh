# shellcheck shell=sh
# Debian's packages without installing them; the scripts that fetch something read this file.
#
# An apt of our own (its own sources, lists, and an empty list of installed packages) resolves and downloads, dpkg-deb
# unpacks below target/lab. Nothing outside is written and no root is needed: installing a hypervisor changes the
# machine's boot loader, and installing QEMU was seen to remove a newer package that the machine had. What the machine
# has installed has no say either, so that every machine of a release gets the same files.
#
# A folder that exists is whole: each is renamed into place as the last step, so that the second run touches no network
# and an interrupted one simply starts again. What apt and dpkg say goes to target/lab/fetch.log.

me=$(basename "$0")
lab=${REVECTOR_LAB:-$(dirname "$0")/../target/lab}
mkdir -p "$lab"
lab=$(cd "$lab" && pwd)
log=$lab/fetch.log

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 1; }

# As die, after the end of the log.
fail() {
    tail -n 15 "$log" | sed 's/^/    /' >&2
    die "$* (all of it is in $log)"
}

# One at a time: two programs of the project may find the same thing missing. Begins a new log.
alone() {
    exec 9> "$lab/fetch.lock"
    if ! flock --nonblock 9; then
        say "waiting for another fetch to end"
        flock 9
    fi
    : > "$log"
}

# --- Progress ------------------------------------------------------------------------------

# watched WHAT PATTERN TOTAL COMMAND...: runs the command with its output in the log. Says WHAT, and every five seconds
# how many lines of the log match PATTERN, of TOTAL.
watched() {
    what=$1 pattern=$2 total=$3
    shift 3
    say "$what"
    # The command stays in front, where an interrupt reaches it; the watcher ends with this shell.
    said=0
    while sleep 5 2> /dev/null 9>&- && kill -0 $$ 2> /dev/null; do
        now=$(grep -cE "$pattern" "$log")
        [ "$now" = "$said" ] || say "$what: $now of $total"
        said=$now
    done &
    watcher=$!
    status=0
    "$@" >> "$log" 2>&1 || status=$?
    kill "$watcher" 2> /dev/null || true
    wait "$watcher" 2> /dev/null || true
    return "$status"
}

# --- A private apt -------------------------------------------------------------------------

# Prints "URI keyring" of the machine's own sources for suites named like $1 (an extended regular expression); both of
# apt's formats are read. The keyring is "-" where none is named.
machine_sources() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null |
        sed -n 's/^deb  *\(\[[^]]*\] *\)*//p' |
        awk -v suite="$1" '$2 ~ suite { print $1, "-" }'
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -e "$file" ] || continue
        awk -v suite="$1" '
            function flush() { if (uri != "" && suites ~ suite) print uri, key
                               uri = ""; suites = ""; key = "-" }
            BEGIN { key = "-" }
            /^[[:space:]]*$/ { flush() }
            tolower($1) == "uris:" { uri = $2 }
            tolower($1) == "suites:" { for (i = 2; i <= NF; i++) suites = suites " " $i " " }
            tolower($1) == "signed-by:" { key = $2 }
            END { flush() }' "$file"
    done
}

# The name of the machine's own Debian release.
machine_suite() {
    # shellcheck source=/dev/null
    suite=$(. /etc/os-release && printf %s "${VERSION_CODENAME:-}")
    [ -n "$suite" ] || die "/etc/os-release names no VERSION_CODENAME: Debian is needed to fetch Debian's packages"
    printf %s "$suite"
}

# entries MACHINE_SUITE SUITE: the machine's sources of the first, for the second.
entries() {
    machine_sources "(^| )$1( |$)" | sort -u | while read -r uri key; do
        options=arch=amd64
        [ "$key" = - ] || options="$options signed-by=$key"
        printf '%s [%s] %s %s main\n' deb "$options" "$uri" "$2" deb-src "$options" "$uri" "$2"
    done
}

private_apt() {
    tool=$1
    shift
    "$tool" -q \
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o Dir::State="$apt/state" -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
        -o Dir::State::status="$apt/status" -o APT::Architecture=amd64 \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 \
        -o Acquire::GzipIndexes=true -o Acquire::Check-Valid-Until=false "$@"
}

# Makes $apt an apt of a release, with package lists that are at most an hour old.
use_suite() {
    apt=$lab/apt/$1
    for need in apt-get dpkg-deb; do
        command -v $need > /dev/null || die "$need is missing: Debian is needed to fetch Debian's packages"
    done
    [ -z "$(find "$apt/read" -mmin -60 2> /dev/null)" ] || return 0
    own=$(machine_suite) || exit 1
    rm -rf "$apt"
    mkdir -p "$apt/state" "$apt/lists/partial" "$apt/cache/archives/partial"
    : > "$apt/status"
    entries "$own" "$1" > "$apt/main.list"
    entries "$own-security" "$1-security" > "$apt/security.list"
    [ -s "$apt/main.list" ] || die "found no apt source for '$own' in /etc/apt: add one, then try again"
    read_lists "$1"
    : > "$apt/read"
}

read_lists() {
    say "reading the package lists of $1"
    cat "$apt/main.list" "$apt/security.list" > "$apt/sources.list"
    if ! private_apt apt-get -o APT::Update::Error-Mode=any update >> "$log" 2>&1; then
        say "$1 has no security updates here; going on without them"
        cp "$apt/main.list" "$apt/sources.list"
        private_apt apt-get -o APT::Update::Error-Mode=any update >> "$log" 2>&1 ||
            fail "cannot read Debian's $1 from the machine's apt sources: no network, or they do not carry it"
    fi
}

# --- Packages ------------------------------------------------------------------------------

# with_needs SKIPPED PACKAGE...: the packages and all that they depend on, but for names that match SKIPPED.
with_needs() {
    skipped=$1
    shift
    private_apt apt-get install --print-uris --yes --no-install-recommends "$@" > "$apt/plan" 2>> "$log" ||
        fail "apt found no way to have $*"
    sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" "$apt/plan" | grep -vxE "$skipped"
}

# Downloads the packages named on standard input and unpacks them to folder $1, made afresh.
unpack_to() {
    rm -rf "$apt/debs" "$1"
    mkdir -p "$apt/debs" "$1"
    names=$(cat)
    count=$(printf '%s\n' "$names" | wc -l)
    # shellcheck disable=SC2086  # one argument per package is meant
    (cd "$apt/debs" && watched "downloading $count packages" '^Get:' "$count" private_apt apt-get download $names) ||
        fail "a download failed: check the network, then try again"
    for deb in "$apt"/debs/*.deb; do
        dpkg-deb --extract "$deb" "$1" >> "$log" 2>&1 || fail "cannot unpack $(basename "$deb")"
    done
    rm -rf "$apt/debs"
}

# --- Programs ------------------------------------------------------------------------------

# Prints the dynamic linker in the unpacked packages of $1. (Its other name there may be a link to the machine's.)
linker_of() {
    find "$1/lib/x86_64-linux-gnu" "$1/usr/lib/x86_64-linux-gnu" -name ld-linux-x86-64.so.2 2> /dev/null | head -n 1
}

# libraries ROOT PROGRAM: where in ROOT the libraries are that the program there loads when it starts.
libraries() {
    path=$1/usr/lib/x86_64-linux-gnu:$1/lib/x86_64-linux-gnu
    "$(linker_of "$1")" --library-path "$path" --list "$1/$2" > "$apt/libraries" 2>> "$log" ||
        fail "$2 does not start with the packages that were unpacked"
    grep 'not found' "$apt/libraries" >> "$log" && fail "$2 lacks libraries: scripts/$me leaves out too much"
    sed -n 's/.* => \(.*\) (0x.*/\1/p' "$apt/libraries"
}

# install_program ROOT PROGRAM TO [BEFORE [ARGUMENTS]]: copies a program out of unpacked packages, with the libraries
# that it loads and the dynamic linker, to TO/lib, and writes TO/NAME, which runs it. BEFORE and ARGUMENTS are shell
# words for before the command and before the caller's arguments; $here is TO there.
install_program() {
    root=$1 program=$2 to=$3 before=${4:-} arguments=${5:-}
    name=$(basename "$program")
    mkdir -p "$to/lib"
    cp "$root/$program" "$to/lib/$name"
    cp "$(linker_of "$root")" "$to/lib/ld.so"
    libraries "$root" "$program" > "$apt/files"
    while read -r library; do cp "$library" "$to/lib/"; done < "$apt/files"
    # The linker of glibc 2.31 and older does not know it; few programs need their own name.
    named="--argv0 $name"
    "$to/lib/ld.so" --help 2>> "$log" | grep -q -- --argv0 || named=
    cat > "$to/$name" << END
#!/bin/sh
# Runs Debian's $name with the libraries that were unpacked beside it; written by scripts/$me.
here=\$(dirname "\$(readlink -f "\$0")")
exec $before "\$here/lib/ld.so" --library-path "\$here/lib" $named "\$here/lib/$name" $arguments "\$@"
END
    chmod +x "$to/$name"
}
