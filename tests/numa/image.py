# SPDX-License-Identifier: MIT
"""The file system of a guest: an initramfs (cpio, newc), written directly.

What:  busybox, the built tests and libraries, the loader and shared libraries
       they name, the scripts of tests/ and what the scripts compile, each at
       the path it has here. Nothing is mounted from outside.
Door:  make(file, arch, build, source, command, environment, compiled, more)
See:   init (the guest's first process), cc (its compiler)
"""
import hashlib
import os
import re
import shutil
import stat
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))

# For each architecture: its compiler, and where its libraries lie.
TOOLS = {
    "x86": ("gcc", "g++", ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
                           "/lib64", "/lib", "/usr/lib"]),
    "arm64": ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++",
              ["/usr/aarch64-linux-gnu/lib"]),
}
# Scripts that run in a guest: what they compile is compiled here, beforehand.
# The others need programs that a guest has not; they are skipped, and counted.
SCRIPTS = ["tests/misuse/run.sh", "tests/api/operators.sh",
           "tests/api/module.sh", "tests/stress/options.sh",
           "tests/life/core.sh", "tests/life/overcommit.sh",
           "tests/life/deepbind.sh"]
# Sources that they hand to the compiler, besides those written into them.
SOURCES = ["tests/api/operators.cpp", "tests/api/module.cpp",
           "tests/api/module_host.c", "tests/lib/broken.c"]


class Missing(Exception):
    """Something that cannot be had here: the guest is skipped."""


class Archive:
    """A cpio archive of files, each with the directories above it."""

    def __init__(self, path):
        self.out = open(path, "wb")
        self.known = set()

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        name = name.lstrip("/").encode()
        fields = (len(self.known) + 1, mode, 0, 0, 1, 0, len(data), 0, 0,
                  device[0], device[1], len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields)
        for part in (head + name + b"\0", data):
            self.out.write(part + b"\0" * (-len(part) % 4))

    def _claim(self, name):
        """Makes the directories above; False when name is there already."""
        if name in self.known:
            return False
        above = os.path.dirname(name)
        if above != "/":
            self.directory(above)
        self.known.add(name)
        return True

    def directory(self, name):
        if name != "/" and self._claim(name):
            self._entry(name, stat.S_IFDIR | 0o755)

    def text(self, name, text):
        if self._claim(name):
            self._entry(name, stat.S_IFREG | 0o755, text.encode())

    def file(self, path, name=None):
        name = name or path
        if self._claim(name):
            with open(path, "rb") as data:
                self._entry(name, stat.S_IFREG | 0o755, data.read())

    def link(self, name, target):
        if self._claim(name):
            self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor):
        if self._claim(name):
            self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def close(self):
        self._entry("TRAILER!!!", 0)
        self.out.close()


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout


def is_elf(path):
    with open(path, "rb") as data:
        return data.read(4) == b"\x7fELF"


def needs(path):
    """The loader and the libraries that an ELF file names."""
    text = output("readelf", "-Wld", path)
    loader = re.findall(r"program interpreter: (\S+)\]", text)
    return loader, re.findall(r"\(NEEDED\).*\[(.*)\]", text)


def add_libraries(archive, arch, build, programs):
    """The loader goes where programs name it, libraries where it looks."""
    places = [build] + TOOLS[arch][2] + extra_libraries(arch)
    todo, seen = list(programs), set()
    while todo:
        loaders, names = needs(todo.pop())
        for name in loaders + names:
            if name in seen:
                continue
            seen.add(name)
            base = os.path.basename(name)
            found = [p for p in (os.path.join(d, base) for d in places)
                     if os.path.exists(p)]
            if not found:
                raise Missing(f"{base} for {arch} is nowhere")
            # The build directory keeps its own: programs have an rpath.
            if os.path.dirname(found[0]) != build:
                archive.file(os.path.realpath(found[0]),
                             name if name in loaders else "/lib/" + base)
            todo.append(found[0])


def extra_libraries(arch):
    root = os.environ.get("ARM64_ROOT")
    if arch != "arm64" or not root:
        return []
    return [os.path.join(root, "usr/lib/aarch64-linux-gnu")]


def busybox(arch):
    if arch == "x86":
        found = shutil.which("busybox")
        if found and not needs(found)[1]:
            return found
    fetched = subprocess.run([os.path.join(HERE, "fetch"), "package", arch,
                              "busybox-static"], stdout=subprocess.PIPE,
                             universal_newlines=True)
    if fetched.returncode:
        raise Missing(f"no static busybox for {arch}")
    return os.path.join(fetched.stdout.strip(), "bin/busybox")


def sources(source):
    """(name, bytes) of each C or C++ file that the scripts compile."""
    misuse = os.path.join(source, "tests/misuse")
    for name in sorted(os.listdir(misuse)):
        if name.endswith(".c"):
            yield os.path.join(misuse, name), None
    for name in SOURCES:
        yield os.path.join(source, name), None
    for name in SCRIPTS:
        with open(os.path.join(source, name)) as script:
            text = script.read()
        for name, code in re.findall(
                r"^cat >\"\$tmp/(\w+\.c)\" <<'END'\n(.*?)^END$", text,
                re.M | re.S):
            yield name, code.encode()


def compile_sources(arch, build, source, cache):
    """Each source three times: alone, with the library, as a module; a way
    that does not compile is left out, as the scripts expect of some. The
    guest's compiler finds them by the source's checksum."""
    cc, cxx, _ = TOOLS[arch]
    lib = os.path.join(build, "libbuddymalloc.so.0")
    ways = {"plain": [], "linked": [lib, "-Wl,-rpath," + build],
            "shared": ["-shared", "-fPIC"]}
    flags = ["-O1", "-g", "-w", "-fno-builtin", "-pthread",
             "-I" + os.path.join(source, "tests/lib"),
             "-I" + os.path.join(source, "include")]
    os.makedirs(cache, exist_ok=True)
    for name, code in sources(source):
        if code is None:
            with open(name, "rb") as file:
                code = file.read()
        key = hashlib.md5(code).hexdigest()
        plus = name.endswith(".cpp")
        if plus and not has_cxx(arch):
            continue
        compiler = [cxx if plus else cc, "-std=c++17" if plus else "-std=gnu11"]
        for way, words in ways.items():
            built = os.path.join(cache, f"{key}.{way}")
            if os.path.exists(built):
                yield built
                continue
            language = ["-x", "c++" if plus else "c"]
            done = subprocess.run(
                compiler + flags + (["-I" + os.path.dirname(name)]
                                    if os.path.isabs(name) else []) +
                language + ["-", "-x", "none", "-o", built] + words +
                ["-ldl"], input=code, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                yield built


def has_cxx(arch):
    return shutil.which(TOOLS[arch][1]) is not None


def leave(arch, cache):
    """The program that ends the guest with a status."""
    built = os.path.join(cache, "leave")
    os.makedirs(cache, exist_ok=True)
    subprocess.run([TOOLS[arch][0], "-O1", "-o", built,
                    os.path.join(HERE, "leave.c")], check=True)
    return built


def quoted(word):
    return "'" + word.replace("'", "'\\''") + "'"


def make(path, arch, build, source, command, environment, compiled, more=()):
    """Writes the archive; compiled: a directory for what is compiled; more:
    files besides."""
    archive = Archive(path)
    programs = []

    def program(file, name=None):
        archive.file(file, name)
        if is_elf(file):
            programs.append(file)

    archive.device("/dev/console", 5, 1)
    for name in ("/proc", "/sys", "/tmp", "/root", "/etc", "/var"):
        archive.directory(name)
    archive.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    archive.text("/etc/group", "root:x:0:\n")
    archive.file(busybox(arch), "/bin/busybox")
    archive.file(os.path.join(HERE, "init"), "/init")
    program(leave(arch, compiled), "/guest/leave")
    archive.file(os.path.join(HERE, "cc"), "/guest/cc")
    words = [f"export {key}={quoted(value)}\n"
             for key, value in environment.items()]
    archive.text("/guest/environment", "".join(words))
    archive.text("/guest/command", " ".join(map(quoted, command)) + "\n")
    archive.text("/guest/scripts", "".join(s + "\n" for s in SCRIPTS))
    for name in ("libbuddymalloc.so.0", "libbuddymalloc-preload.so",
                 "tools/buddymalloc"):
        program(os.path.join(build, name))
    for top, _, files in os.walk(os.path.join(build, "tests")):
        for name in files:
            file = os.path.join(top, name)
            if os.access(file, os.X_OK) and is_elf(file):
                program(file)
    for top, _, files in os.walk(os.path.join(source, "tests")):
        for name in files:
            archive.file(os.path.join(top, name))
    archive.file(os.path.join(source, "include/buddymalloc.h"))
    for file in more:
        if not os.path.exists(file):
            raise Missing(f"{file} is not there")
        program(file)
    keys = set()
    # They know where the library lies: one directory for each build.
    place = "sources-" + hashlib.md5(build.encode()).hexdigest()[:8]
    for file in compile_sources(arch, build, source,
                                os.path.join(compiled, place)):
        if file not in keys:
            keys.add(file)
            program(file, "/guest/compiled/" + os.path.basename(file))
    add_libraries(archive, arch, build, programs)
    archive.close()
